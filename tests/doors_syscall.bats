#!/usr/bin/env bats
# The doors through syscall(), by which libuv closes; and every other number, which the kernel must get
# with the arguments, and the program with the result, that they came with.

load helper
load doors

setup()
{
    player=door_syscall
}

@test "syscall(SYS_close) is a door" {
    is_a_door syscall close
    saw again '-1 EBADF' 'close -1' '-1 EBADF'
}

@test "syscall(SYS_dup2) and syscall(SYS_dup3) over a connection are doors" {
    is_a_door syscall dup2
    is_a_door syscall dup3
    saw cloexec 1
}

@test "syscall(SYS_close_range) is a door" {
    is_a_door syscall close_range
    is_a_door syscall 'close_range unshare'
}

@test "syscall(SYS_exit_group) is a door" {
    is_a_door syscall exit_group
    saw exit 31
}

@test "syscall with rubbish in the upper halves of its longs: the same doors" {
    is_a_door syscall 'wide close'
    is_a_door syscall 'wide close_range'
}

# refused ACT: nothing is drained, nothing told, and all of it is still to be read.
refused()
{
    is_no_door "$1"
    saw unread 1024 read 1024
    resets_nobody
}

@test "syscall(SYS_dup2) and syscall(SYS_dup3) that are refused are no doors" {
    refused 'dup refused'
    saw 'dup2 -1' '-1 EBADF' 'dup3 same' '-1 EINVAL'
}

@test "syscall(SYS_dup3) with flags that it refuses is no door" {
    refused 'dup3 flags'
    saw 'dup3 flags' '-1 EINVAL'
}

@test "syscall(SYS_close_range) with flags that it refuses is no door" {
    refused 'close_range flags'
    saw 'close_range flags' '-1 EINVAL'
}

@test "syscall(SYS_close_range) that closes nothing is no door" {
    refused 'close_range none'
    saw 'close_range backwards' '-1 EINVAL' 'close_range cloexec' '0 kept'
}

@test "a connection opened by syscall(SYS_socket) and syscall(SYS_connect) is known to be the program's own" {
    is_a_door close --syscall --connects 'plain close'
    is_a_door syscall --syscall --connects close
}

# That no one else had it before is not seen: whatever is unknown is left alone.
@test "a connection taken by syscall(SYS_accept4) is watched: told, and only ever touched by its sole owner" {
    unchanged --syscall 'plain close'
    resets_for TCP_ABORT_ON_CLOSE on_close
    one_event via close cause unread-data unread 1024 action none
    matches '^(rst|unknown)$' "${told[outcome]}"
    scene drain --syscall 'plain close'
    one_event via close cause unread-data unread 1024
    if [[ ${told[action]} == drained ]]; then
        resets_nobody
    else
        saw resets 1
        tells action passed outcome unknown note owner-unknown
    fi
}

@test "syscall(SYS_dup) and syscall(SYS_fcntl) make a second holder" {
    local act
    for act in dup 'fcntl dup'; do
        unchanged "$act"
        resets_for TCP_ABORT_ON_CLOSE on_close
        same 2 "$closes"
        tells 1.via close 1.outcome none 1.note shared 2.via close 2.outcome rst 2.note ''
        scene drain "$act"
        resets_nobody
        saw unread 1024
        tells 1.action passed 2.action drained
    done
}

# handed_on ACT: the close of what is on its way to somebody else leaves it alone.
handed_on()
{
    never_changed "$1"
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw unread 1024 'sendmsg nowhere' '-1 EFAULT' 'sendmmsg nowhere' '-1 EFAULT'
    same 2 "$closes"
    tells 1.note owner-unknown 1.outcome unknown 2.note owner-unknown 2.outcome unknown
}

@test "syscall(SYS_sendmsg) hands a connection on: from then on its owner is unknown" {
    handed_on sendmsg
}

@test "syscall(SYS_sendmmsg) hands a connection on: from then on its owner is unknown" {
    handed_on sendmmsg
}

# forks ACT: a child made by number holds the connection too. The last to give it up is judged.
forks()
{
    unchanged "$1, parent first"
    resets_for TCP_ABORT_ON_CLOSE on_close
    same 2 "$closes"
    others_hold 1
    tells 1.via close 1.pid "${seen[pid]}" 2.via _exit 2.unread 1024
    matches '^(rst|unknown)$' "${told[2.outcome]}"
    scene drain "$1, parent first"
    tells 1.action passed
    [[ ${told[2.action]} == passed ]] || resets_nobody

    unchanged "$1, child first"
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw unread 1024 child 42
    same 1 "$closes"
    tells via close pid "${seen[pid]}"
    matches '^(rst|unknown)$' "${told[outcome]}"
    scene drain "$1, child first"
    saw unread 1024
    [[ ${told[action]} == passed ]] || resets_nobody
}

@test "syscall(SYS_fork), or what stands for it, makes a child that is watched" {
    forks fork
}

@test "syscall(SYS_clone) makes a child that is watched" {
    forks clone
}

@test "syscall(SYS_clone3) makes a child that is watched" {
    forks clone3
}

# Asked of a child that the library saw made, and whose end it saw.
@test "a child made by syscall(SYS_clone): the last to close is drained" {
    scene drain 'clone, parent first'
    resets_nobody
    tells 2.action drained 2.note ''
    scene drain 'clone, child first'
    resets_nobody
    tells action drained note ''
}

@test "every other number goes to the kernel with six longs untouched: result, errno and memory are as bare" {
    SAFECLOSE_EVENTS=all never_changed --count 0 'other numbers'
    saw mmap '1 deep' here 'deep' 'no such number' '-1 ENOSYS' 'negative number' '-1 ENOSYS' \
        'futex changed' '-1 EAGAIN' 'futex in time' '-1 ETIMEDOUT' 'getrandom nowhere' '-1 EFAULT' \
        'clone3 nowhere' '-1 EFAULT'
    same 0 "$closes"
}
