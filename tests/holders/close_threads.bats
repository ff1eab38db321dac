#!/usr/bin/env bats
# A thread in the middle of a call on the connection holds it too: another one's close of its number sends
# nothing, and may not take or end anything, in any mode. What is unread when its call is over is drained,
# where that was asked for. Witnesses as in close_shared.bats.

# Runs alone: what can be told of threads depends on their getting a CPU.

load ../support/helper
load ../support/scene

untraced=yes

# settles MODE DISCARDED STEP...: the lot gets the connection, and drains so much of it when the call is over.
settles()
{
    scene "$1" "${@:3}"
    tells cause unread-data action draining outcome none discarded 0 note ''
    same 1 "$ends"
    tells_end cause unread-data action draining ended_by drained outcome fin discarded "$2" \
        fd "${seen[fd]}" cookie "${seen[cookie]}"
}

@test "a thread blocked in a read: it gets what arrives after the close" {
    never_changed 'program starts a reader of 1000' 'program closes' 'peer sends 1000' \
        'program joins the threads' "$end"
    saw thread '1000 right' resets 0 peer_end EOF
}

@test "a thread blocked in a read, told when all closes are asked for: nothing is sent" {
    SAFECLOSE_EVENTS=all scene log 'program starts a reader of 1000' 'program closes' \
        'peer sends 1000' 'program joins the threads' "$end"
    saw thread '1000 right' resets 0 peer_end EOF
    tells cause none action none outcome none confirmed true note held
}

# SO_RCVLOWAT lets a reader wait although something is unread.
@test "a thread blocked in a read with bytes before it: it gets them all" {
    local steps=('program sets rcvlowat 1000' 'program starts a reader of 1000' 'peer sends 10'
        'program closes' 'peer sends 990' 'program joins the threads' "$end")
    never_changed "${steps[@]}"
    saw thread '1000 right' resets 0 peer_end EOF
    tells cause unread-data action none outcome none confirmed true note held
    settles drain 0 "${steps[@]}"
    saw thread '1000 right' resets 0 peer_end EOF
}

@test "a thread blocked in a write of 20 MB: all of it arrives" {
    never_changed --narrow 'program starts a writer of 20M' 'program closes' "$end" \
        'program joins the threads'
    saw thread '20971520 right' peer_bytes 20971520 peer_data right peer_end EOF resets 0
}

# When the write is over its thread drops the last reference, and the 5 bytes reset the connection: what
# was still in the send buffer (4 MB at most) is lost.
@test "a thread blocked in a write of 20 MB, 5 bytes unread: its write is not cut short" {
    local mode
    for mode in none off log warn; do
        scene "$mode" --narrow 'program starts a writer of 20M' 'peer sends 5' 'program closes' \
            "$end" 'program joins the threads'
        saw thread '20971520 right' peer_data right peer_end ECONNRESET on_close 1
        ((seen[peer_bytes] >= 20971520 - 4194304)) || fail "$mode: ${seen[peer_bytes]} bytes"
        [[ $mode != log ]] || tells cause unread-data action none outcome none confirmed true note held
    done
}

@test "a thread blocked in a write of 20 MB, 5 bytes unread: drained when it is over, and all of it arrives" {
    settles drain 5 --narrow 'program starts a writer of 20M' 'peer sends 5' 'program closes' "$end" \
        'program joins the threads'
    saw thread '20971520 right' peer_bytes 20971520 peer_data right peer_end EOF resets 0 on_close 0
}

# reads_fast MODE HOW_FAR: a thread reads 20 MB in one call while the peer sends them; its number is
# closed when so much has arrived. It is seldom seen to wait, and what it is busy with shows nowhere.
reads_fast()
{
    scene "$1" --wide 'program starts a reader of 20M' 'peer pours 20M' \
        "program awaits received $2" 'program closes' 'program joins the threads' "$end"
    saw thread '20971520 right' peer_end EOF resets 0
}

# Were one byte taken, the thread would wait for ever. It is a race: many tries.
@test "a thread that reads as fast as the peer sends: not one byte is taken from it" {
    local i
    reads_fast none 100K
    for ((i = 1; i <= 25; i++)); do
        reads_fast drain "$((i * 20))K"
        ((closes == 0)) || tells discarded 0
        ((ends > 0)) || continue
        tells_end discarded 0
        # For one that gets no CPU, or is between two bursts, nobody waits for ever.
        matches '^(drained fin|in-use (none|fin))$' "${ended[ended_by]} ${ended[outcome]}"
    done
}

@test "a thread that reads as fast as the peer sends: nobody says that its connection was reset" {
    local i
    for ((i = 0; i < 5; i++)); do
        reads_fast log "$((i * 100))K"
        [[ ${told[outcome]-} != rst ]] || fail "told: $(<"$log")"
    done
}
