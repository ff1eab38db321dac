#!/usr/bin/env bats
# The doors that take a descriptor's number: close, dup2, dup3, close_range, closefrom; and the calls that
# only change what an event says. All of it by libc's names and by syscall(2), where there are both. The witness of all that is said of a connection is its other end, a
# process without the library, and the kernel (door.h).

# Takes long.

load ../support/helper
load doors

player=door_number

# ---- close -------------------------------------------------------------------------------------------

@test "close is a door" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" close
    done
}

@test "close is a door of a connection that the program opened" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" --connects close
    done
}

@test "close is a door of a connection whose connect returned before there was one" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" --connects --nonblocking close
    done
}

@test "close of 200 connections: an event each up to the limit, and the kernel counts the same" {
    for by_number in "${both[@]}"; do
        scene log --count 200 'close all'
        saw on_close 200 peers_reset 200
        # One more is the listening socket.
        sums closes 201 outcomes.rst 200
        same 200 "$((closes + summed[suppressed] + summed[lost]))"
        scene drain --count 200 'close all'
        saw on_close 0 resets 0 peers_eof 200
        sums closes 201 outcomes.fin 200 actions.drained 200
    done
}

@test "a connection as number 0, 1 and 2 is closed like another, and no line of ours is written to it" {
    local target
    for target in "$log" stderr; do
        SAFECLOSE_LOG=$target unchanged --count 3 'low numbers'
        saw on_close 3 resets 3 peers_reset 3
        SAFECLOSE_LOG=$target scene drain --count 3 'low numbers'
        saw on_close 0 resets 0 peers_eof 3
    done
    # What was written to a connection would be bytes that its peer reads.
    SAFECLOSE_LOG=stderr scene drain --count 1 'low numbers'
    saw peer_bytes 0 peer_end EOF
}

@test "a second library whose close() calls syscall(SYS_close) makes no second event" {
    local library=$programs/door_nested_lib.so
    is_a_door close --behind "$library" close
    # In front of ours it is the syscall that ours sees.
    is_a_door syscall --before "$library" close
}

# ---- dup2 and dup3 -----------------------------------------------------------------------------------

@test "dup2 over a connection is a door" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named dup2)" dup2
        saw 'read null' '0 kept'
    done
}

@test "dup3 over a connection is a door" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named dup3)" dup3
        is_a_door "$(named dup3)" 'dup3 cloexec'
        saw cloexec 1
    done
}

@test "dup2 of a connection over another gives up only the other" {
    for by_number in "${both[@]}"; do
        unchanged --count 2 'dup2 connection'
        saw on_close 2 peers_reset 2
        scene log --count 2 'dup2 connection'
        same 3 "$closes"
        tells 1.via "$(named dup2)" 1.fd "${seen[gone]}" 1.outcome rst 2.via "$(named close)" 2.outcome none 2.note shared \
            3.via "$(named close)" 3.outcome rst 3.note ''
        scene drain --count 2 'dup2 connection'
        saw on_close 0 resets 0 peers_eof 2
        tells 1.action drained 2.action passed 2.note shared 3.action drained
    done
}

@test "dup2 that is refused, or of a number over itself, gives nothing up" {
    for by_number in "${both[@]}"; do
        is_no_door 'dup2 refused'
        saw 'dup2 -1' '-1 EBADF' 'dup2 not open' '-1 EBADF' 'dup2 to -1' '-1 EBADF' unread 1024 read 1024
        resets_nobody
    done
}

@test "dup3 that is refused gives nothing up" {
    for by_number in "${both[@]}"; do
        is_no_door 'dup3 refused'
        saw 'dup3 flags' '-1 EINVAL' 'dup3 same' '-1 EINVAL' 'dup3 -1' '-1 EBADF' unread 1024 read 1024
        resets_nobody
    done
}

@test "dup2 and dup3 over a connection above the limit of descriptors are refused and give nothing up" {
    for by_number in "${both[@]}"; do
        local door
        for door in dup2 dup3; do
            never_changed "$door above limit"
            saw "$door above the limit" '-1 EBADF' unread 1024 read 1024
            resets_nobody
        done
    done
}

# ---- close_range and closefrom -------------------------------------------------------------------------

# What takes every number takes ours too, and with it what the kernel would have been asked by: then it is the
# verdict's word, as true as before.

@test "close_range is a door" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close_range)" close_range
        confirmed=false is_a_door "$(named close_range)" 'close_range to end'
    done
}

@test "closefrom is a door" {
    confirmed=false is_a_door closefrom closefrom
}

@test "closefrom a negative number is closefrom 0" {
    confirmed=false is_a_door closefrom 'closefrom negative'
    saw stdin '-1 EBADF'
}

@test "close_range gives up the connections within it, one event each, and no other" {
    for by_number in "${both[@]}"; do
        unchanged --count 30 'close_range part'
        saw on_close 28 resets 28 peers_eof 2 'unread first' 1024 'unread last' 1024
        same 28 "$closes"
        same 28 "$(grep -c "\"via\":\"$(named close_range)\"" "$log")"
        same 28 "$(grep -o '"fd":[0-9]*,' "$log" | sort -u | wc -l)"
        scene drain --count 30 'close_range part'
        saw on_close 0 resets 0 peers_eof 30 'unread first' 1024 'unread last' 1024
        same 28 "$closes"
        sums actions.drained 28
    done
}

@test "close_range that is refused, or covers nothing, gives nothing up" {
    for by_number in "${both[@]}"; do
        is_no_door 'close_range refused'
        saw 'close_range backwards' '-1 EINVAL' 'close_range flags' '-1 EINVAL' unread 1024 read 1024
        resets_nobody
    done
}

@test "close_range with CLOSE_RANGE_CLOEXEC closes nothing" {
    for by_number in "${both[@]}"; do
        is_no_door 'close_range cloexec'
        saw cloexec 1 unread 1024 read 1024
        resets_nobody
    done
}

@test "close_range with CLOSE_RANGE_UNSHARE in a program of one thread is a door" {
    for by_number in "${both[@]}"; do
        confirmed=false is_a_door "$(named close_range)" 'close_range unshare'
        is_no_door 'close_range unshare cloexec'
        saw cloexec 1 read 1024
        sums closes 2
    done
}

@test "close_range with CLOSE_RANGE_UNSHARE in a thread: all is as bare from then on, and said once" {
    for by_number in "${both[@]}"; do
        never_changed 'close_range unshare thread'
        saw unread 1024 on_close 1
        same 0 "$closes"
        same 1 "$summaries"
        sums given_up 'a thread takes a descriptor table of its own'
    done
}

@test "a program that closes every number it doesn't know finds none of ours, and its last close is told" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" 'close the rest'
        confirmed=false is_a_door_after_a_loss "$(named close)" 'close the rest by close_range'
    done
}

@test "a program that takes every number for its own gets each, and its last close is told" {
    for by_number in "${both[@]}"; do
        confirmed=false is_a_door_after_a_loss "$(named close)" 'dup2 over the rest'
        saw failed 0
    done
}

# extra DOOR COUNT UNREAD: the system calls of the library at this door, with so many connections and
# fifty times as many files. Between its two marks the program does nothing else.
extra()
{
    local door=$1 count=$2 unread=$3 mode calls=()
    for mode in none drain; do
        rm -f "$log.trace"
        scene "$mode" --strace "$log.trace" --count "$count" --unread "$unread" "$door"
        calls+=("$(sed -n '/"BEGIN"/,/"END"/p' "$log.trace" | wc -l)")
    done
    echo $((calls[1] - calls[0]))
}

@test "close_range and closefrom over 100,000 numbers ask about the connections there, and nothing else" {
    local door few many
    for door in 'cost of close_range' 'cost of closefrom'; do
        # Of the first 16, and every 64th after them, it is also asked whether their peers may still send.
        same 4 "$(extra "$door" 2 0)"
        same $((100 + 16 + 1)) "$(extra "$door" 100 0)"
        # The first event of a process may cost more than the rest.
        few=$(extra "$door" 2 1024)
        many=$(extra "$door" 20 1024)
        ((many - few <= 18 * 34)) || fail "$door: with 20 connections $many calls, with 2 $few"
    done
}

# ---- What is watched ---------------------------------------------------------------------------------

# shut ACT: reported as shut down for reading; a reset all the same, which drain prevents here, the
# kernel having sent nothing later.
shut()
{
    unchanged "$1"
    resets_for TCP_ABORT_ON_CLOSE on_close
    one_event via "$(named close)" cause unread-data outcome rst note read-shut
    scene drain "$1"
    resets_nobody
    one_event via "$(named close)" outcome fin action drained note read-shut
}

@test "shutdown(SHUT_RD) before the close is noted" {
    for by_number in "${both[@]}"; do
        shut 'shutdown RD'
        done
}

# reset_after_fin: the peer saw our FIN first, and SO_ERROR shows the reset behind it.
reset_after_fin()
{
    saw resets 1 on_close 1 peer_end EOF peer_pending EPIPE
    ! traced || saw reason TCP_ABORT_ON_CLOSE
}

@test "shutdown(SHUT_RDWR) before the close is noted" {
    for by_number in "${both[@]}"; do
        unchanged 'shutdown RDWR'
        reset_after_fin
        one_event via "$(named close)" cause unread-data outcome rst note read-shut
        tells state FIN_WAIT2
        scene drain 'shutdown RDWR'
        resets_nobody
        one_event via "$(named close)" outcome none action drained note read-shut
    done
}

@test "shutdown(SHUT_WR) before the close is not noted" {
    for by_number in "${both[@]}"; do
        unchanged 'shutdown WR'
        reset_after_fin
        one_event via "$(named close)" cause unread-data outcome rst note ''
    done
}

@test "shutdown that is refused is as bare" {
    for by_number in "${both[@]}"; do
        is_no_door 'shutdown refused'
        resets_nobody
    done
}

# A reset that is asked for stays in every mode.
asked_for()
{
    never_changed --unread 0 "$@"
    resets_for TCP_STATE on_data
    one_event via "$(named close)" cause zero-linger outcome rst unread 0 action none note ''
}

@test "SO_LINGER {1,0} is seen however it is set" {
    for by_number in "${both[@]}"; do
        asked_for linger
        asked_for --connects linger
    done
}

@test "SO_LINGER {1,0} set before listen is inherited, and seen" {
    for by_number in "${both[@]}"; do
        asked_for 'linger before listen'
    done
}

@test "SO_LINGER switched off again asks for nothing" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" 'linger off again'
    done
}

# ---- Second holders ----------------------------------------------------------------------------------

@test "dup and fcntl make a second holder" {
    local act
    for by_number in "${both[@]}"; do
        for act in dup 'fcntl dup'; do
            unchanged "$act"
            resets_for TCP_ABORT_ON_CLOSE on_close
            same 2 "$closes"
            tells 1.via "$(named close)" 1.outcome none 1.note shared \
                2.via "$(named close)" 2.outcome rst 2.note ''
            scene drain "$act"
            resets_nobody
            saw unread 1024
            tells 1.action passed 2.action drained
        done
    done
}

# The close of what is on its way to somebody else leaves it alone, and so does that of what has arrived: who
# holds it can't be proven any more. What came of both the kernel says.
@test "sendmsg and sendmmsg hand a connection on: held under way, then reset, and in no mode touched" {
    local act
    for by_number in "${both[@]}"; do
        for act in sendmsg sendmmsg; do
            never_changed "$act"
            resets_for TCP_ABORT_ON_CLOSE on_close
            saw unread 1024 'sendmsg nowhere' '-1 EFAULT' 'sendmmsg nowhere' '-1 EFAULT'
            same 2 "$closes"
            tells 1.note held 1.outcome none 1.confirmed true 2.note '' 2.outcome rst 2.confirmed true
            scene drain "$act"
            same 2 "$closes"
            tells 1.action passed 1.note owner-unknown 1.outcome none 1.confirmed true \
                2.action passed 2.note owner-unknown 2.outcome rst 2.confirmed true
        done
    done
}

# ---- What fails --------------------------------------------------------------------------------------

@test "mq_notify that is refused does not end the lingering" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" 'mq_notify refused'
    done
}
