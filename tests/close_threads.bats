#!/usr/bin/env bats
# A thread in the middle of a call on the connection holds it too: another one's close of its number sends
# nothing, and may not take or end anything, in any mode. Witnesses as in close_shared.bats.

# Runs alone: what can be told of threads depends on their getting a CPU.

load helper
load scene

setup()
{
    untraced=yes
    end='peer reads to the end'
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
    tells cause none outcome none note in-use
}

# SO_RCVLOWAT lets a reader wait although something is unread.
@test "a thread blocked in a read with bytes before it: it gets them all" {
    leaves_alone 'program sets rcvlowat 1000' 'program starts a reader of 1000' 'peer sends 10' \
        'program closes' 'peer sends 990' 'program joins the threads' "$end"
    saw thread '1000 right' resets 0 peer_end EOF
}

@test "a thread blocked in a write of 20 MB: all of it arrives" {
    never_changed --narrow 'program starts a writer of 20M' 'program closes' "$end" \
        'program joins the threads'
    saw thread '20971520 right' peer_bytes 20971520 peer_data right peer_end EOF resets 0
}

# When the write is over its thread drops the last reference, and the 5 bytes reset the connection: what
# was still in the send buffer (4 MB at most) is lost, without the library too.
@test "a thread blocked in a write of 20 MB, 5 bytes unread: its write is not cut short" {
    local mode
    for mode in none off log warn drain; do
        scene "$mode" --narrow 'program starts a writer of 20M' 'peer sends 5' 'program closes' \
            "$end" 'program joins the threads'
        saw thread '20971520 right' peer_data right peer_end ECONNRESET on_close 1
        ((seen[peer_bytes] >= 20971520 - 4194304)) || fail "$mode: ${seen[peer_bytes]} bytes"
        # A writer that is woken, and running at that moment, can't be told from one that is elsewhere.
        case $mode in
        log) tells cause unread-data action none ;;
        drain) tells cause unread-data action passed ;;
        *) continue ;;
        esac
        matches '^(none in-use|unknown owner-unknown)$' "${told[outcome]} ${told[note]}"
    done
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
    done
}

@test "a thread that reads as fast as the peer sends: nobody says that its connection was reset" {
    local i
    for ((i = 0; i < 5; i++)); do
        reads_fast log "$((i * 100))K"
        [[ ${told[outcome]-} != rst ]] || fail "told: $(<"$log")"
    done
}
