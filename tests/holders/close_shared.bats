#!/usr/bin/env bats
# A connection that somebody else holds too: its close here sends nothing, and may not take or end
# anything, in any mode. The program closes its number with 20,000 bytes unread; then the other holder
# reads them and sends them back, or whatever it was doing goes on. The witness is what the peer gets:
# not one byte may differ from what it gets without the library.

load ../support/helper
load ../support/scene

untraced=yes
unread=('peer sends 20000')
echo=('program closes' 'program lets the holder echo 20000' "$end")

# echoed: every byte came back, and the last holder's close was an orderly end.
echoed()
{
    saw resets 0 echo right peer_bytes 20000 peer_data right peer_end EOF
}

# ---- In this process -----------------------------------------------------------------------------------

@test "a dup of it: the other number reads all, and answers" {
    leaves_alone "${unread[@]}" 'program shares by dup' "${echo[@]}"
    echoed
    tells 1.note shared 1.outcome none
}

@test "a dup2 of it: the other number reads all, and answers" {
    leaves_alone "${unread[@]}" 'program shares by dup2' "${echo[@]}"
    echoed
}

@test "a dup3 of it: the other number reads all, and answers" {
    leaves_alone "${unread[@]}" 'program shares by dup3' "${echo[@]}"
    echoed
}

@test "an F_DUPFD of it: the other number reads all, and answers" {
    leaves_alone "${unread[@]}" 'program shares by fcntl' "${echo[@]}"
    echoed
}

@test "a dup of a socket that is connected afterwards: the other number reads all, and answers" {
    leaves_alone --alone 'peer listens' 'program makes a socket' 'program shares by dup' \
        'program connects the socket' 'peer accepts' "${unread[@]}" "${echo[@]}"
    echoed
    tells 1.note shared 1.outcome none
}

@test "a stream on a dup of it: the stream's number reads all, and answers" {
    leaves_alone "${unread[@]}" 'program shares with a stream' "${echo[@]}"
    echoed
}

@test "in flight in a UNIX socket: who takes it out reads all, and answers" {
    leaves_alone "${unread[@]}" 'program sends it into flight' 'program closes' 'program has it land' \
        'program lets the holder echo 20000' "$end"
    echoed
    tells 1.note owner-unknown
}

@test "a dup of it that is closed first: the last close is judged and drained" {
    local steps=('peer sends 1024' 'program shares by dup' 'program closes the duplicate'
        'program closes' "$end")
    unchanged "${steps[@]}"
    saw resets 1 on_close 1 peer_end ECONNRESET
    tells 2.cause unread-data 2.outcome rst 2.fd "${seen[fd]}"
    scene drain "${steps[@]}"
    saw resets 0 peer_end EOF
    tells 2.cause unread-data 2.outcome fin 2.action drained 2.discarded 1024
}

# ---- In another process ----------------------------------------------------------------------------------

@test "fork for each connection: the child reads all, and answers" {
    leaves_alone "${unread[@]}" 'program shares with a child' "${echo[@]}"
    echoed
}

@test "fork for each connection: what the child leaves unread at the last close is judged and drained" {
    local steps=("${unread[@]}" 'program shares with a child' 'program closes'
        'program lets the holder echo 15000' "$end")
    unchanged "${steps[@]}"
    saw on_close 1 peer_end ECONNRESET
    tells 2.cause unread-data 2.outcome rst 2.unread 5000 2.cookie "${seen[cookie]}"
    scene drain "${steps[@]}"
    saw resets 0 peer_bytes 15000 peer_end EOF
    tells 2.cause unread-data 2.outcome fin 2.unread 5000 2.action drained
}

@test "workers forked before: one accepts and reads nothing; its close is judged and drained" {
    local steps=(--alone 'program listens' 'peer connects' 'peer sends 1024'
        'program serves in a fork child 3000' "$end")
    unchanged "${steps[@]}"
    saw child 0 resets 1 on_close 1
    tells cause unread-data outcome rst unread 1024 pid "${seen[child_pid]}" peer "${seen[peer]}"
    scene drain "${steps[@]}"
    saw child 0 resets 0 peer_bytes 3000 peer_data right peer_end EOF
    tells cause unread-data outcome fin unread 1024 action drained pid "${seen[child_pid]}"
}

@test "passed to another process: that one reads all, and answers" {
    leaves_alone --alone 'program listens' 'program starts a helper' 'peer connects' \
        'program accepts' "${unread[@]}" 'program passes it to the helper' "${echo[@]}"
    echoed
}

@test "handed to a started program as its 0 and 1: that one reads all, and answers" {
    leaves_alone "${unread[@]}" 'program starts a service for 20000' "${echo[@]}"
    echoed
}

# A program that does nothing with TCP itself has it on a number above 2 by accident, so nothing is told; one
# that does is asked about all that it closes, and nobody knows who else has what it inherited.
@test "inherited from whoever started the program: its close is as bare, and told if the program uses TCP" {
    local mode
    for mode in off warn drain linger log; do
        scene "$mode" --inherited 'peer sends 1024' 'program closes' "$end"
        saw resets 1 on_close 1 peer_end ECONNRESET
        [[ ! -s $log && ! -s $stderr ]] || fail "mode $mode told: $(cat "$log" "$stderr")"
    done
    never_changed --inherited 'program listens' 'peer sends 1024' 'program closes' "$end"
    saw resets 1 on_close 1 peer_end ECONNRESET
    tells 1.cause unread-data 1.outcome rst 1.confirmed true 1.note '' 1.action none 1.unread 1024
    scene drain --inherited 'program listens' 'peer sends 1024' 'program closes' "$end"
    saw resets 1
    tells 1.cause unread-data 1.outcome rst 1.confirmed true 1.note owner-unknown 1.action passed 1.discarded 0
}

@test "inherited, and the program uses TCP: its exit is told as well" {
    never_changed --inherited 'program listens' 'peer sends 1024' 'program ends' "$end"
    saw resets 1 peer_end ECONNRESET
    tells 1.via exit 1.cause unread-data 1.outcome unknown 1.note owner-unknown 1.action none 1.unread 1024
}

# What a child closes of its parent's is no news; the parent's own close is in order.
@test "a child closes its copy: the connection stays as it was for the parent" {
    never_changed "${unread[@]}" 'program closes in a fork child' 'program reads 20000' \
        'program writes 20000' 'program closes' "$end"
    saw child 0 read '20000 0' resets 0 peer_bytes 20000 peer_end EOF
    same 0 "$closes"
}

@test "a child of clone closes its copy: the connection stays as it was for the parent" {
    never_changed "${unread[@]}" 'program closes in a clone child' 'program reads 20000' \
        'program writes 20000' 'program closes' "$end"
    saw child 0 read '20000 0' resets 0 peer_bytes 20000 peer_end EOF
    same 0 "$closes"
}
