#!/usr/bin/env bats
# What only syscall() can say: every number that we don't know must reach the kernel with the arguments, and
# the program with the result, that they came with. The doors that have a name in libc are asked by both,
# in the other doors_*.bats.

load ../support/helper
load doors

player=door_syscall

@test "syscall with rubbish in the upper halves of its longs: the same doors" {
    is_a_door syscall 'wide close'
    # That takes our numbers too, and with them what the kernel would have been asked by.
    confirmed=false is_a_door syscall 'wide close_range'
}

@test "syscall(SYS_io_uring_setup) that is refused keeps nothing from lingering" {
    is_a_door close 'ring refused'
}

# forks ACT: a child made by number holds the connection too. The last to give it up is judged.
forks()
{
    unchanged "$1, parent first"
    resets_for TCP_ABORT_ON_CLOSE on_close
    same 2 "$closes"
    tells 1.via close 1.pid "${seen[pid]}" 1.outcome none 1.confirmed true 1.note shared 2.via _exit 2.unread 1024
    matches '^(rst|unknown)$' "${told[2.outcome]}"
    scene drain "$1, parent first"
    tells 1.action passed
    [[ ${told[2.action]} == passed ]] || resets_nobody

    unchanged "$1, child first"
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw unread 1024 child 42
    same 1 "$closes"
    tells via close pid "${seen[pid]}" outcome rst confirmed true note ''
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
