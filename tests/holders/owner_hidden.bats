#!/usr/bin/env bats
# Nobody's data is taken: somebody holds the connection in a way that is easily overlooked, the program
# closes its number with bytes unread, and the holder must read every one of them, whatever the mode.

load ../support/helper
load ../support/owner

held()
{
    as_bare log drain -- "$@"
}

@test "holder: a child that was forked" {
    held owner_hidden plain-fork
}

@test "holder: the parent, of a child without capabilities, which can list its descriptors but not read them" {
    held owner_hidden without-capabilities
}

@test "holder: the parent, of a child in a user namespace" {
    held owner_hidden in-user-namespace
}

@test "holder: the parent, of a child that Landlock confines" {
    held owner_hidden in-landlock
}

@test "holder: a child whose first thread has ended, so that /proc shows no descriptor" {
    held owner_hidden leader-exits
}

@test "holder: a thread of a child, in a descriptor table of its own" {
    held owner_hidden thread-unshares
}

@test "holder: a child of a child that installed a seccomp filter" {
    held owner_hidden filtered-child-forks
}

@test "holder: a message that was sent by a child with a seccomp filter" {
    held owner_hidden filtered-child-passes
}

@test "holder: a child of a program that a child became by syscall(SYS_execve)" {
    held owner_hidden child-execs-by-number
}

@test "holder: a copy by pidfd_getfd" {
    held owner_hidden pidfd-getfd-of-itself
}

@test "holder: a copy by syscall(SYS_pidfd_getfd)" {
    held owner_hidden pidfd-getfd-by-number
}

@test "holder: a duplicate, of whose number there was no memory to remember anything" {
    held owner_hidden dup-without-memory
}

@test "holder: a child that took it with pidfd_getfd" {
    held owner_hidden pidfd-getfd-by-child
}

@test "holder: a child to which it was passed by syscall(SYS_sendmmsg)" {
    held owner_hidden pass-by-number
}

@test "holder: a child to which it was passed by a sendmsg that has not returned yet" {
    held owner_hidden pass-while-sending
}

@test "holder: a stranger to whom it was passed by a sendmsg that has not returned yet" {
    held owner_hidden pass-to-stranger
}

@test "holder: a stranger to whom it was passed by the second message of a sendmmsg that has not returned yet" {
    held owner_hidden pass-second-to-stranger
}

@test "holder: a child that a vfork child forked" {
    held owner_hidden vfork-forks
}

@test "holder: a program that a vfork child spawned" {
    held owner_hidden vfork-spawns
}

@test "holder: a child to which a vfork child passed it" {
    held owner_hidden vfork-passes
}

@test "holder: a program that a vfork child became after dup2" {
    held owner_hidden vfork-dups
}

@test "holder: a program that a vfork child became after syscall(SYS_dup3)" {
    held owner_hidden vfork-dups-by-number
}

@test "holder: a program that a vfork child became by syscall(SYS_execve)" {
    held owner_hidden vfork-keeps-by-number
}

@test "holder: a vfork child that comes to its exec after another thread has closed" {
    held owner_hidden vfork-and-thread
}

@test "holder: a spawned program, by file actions that were prepared before the connection came" {
    held owner_hidden prepared-actions
}

@test "holder: a program that wordexp started" {
    held owner_hidden word-expansion
}

@test "holder: a child forked by libc's own fork, as dlsym finds it" {
    held owner_hidden fork-of-libc
}

@test "holder: the parent, when a clone in its memory has ended and then a child closes" {
    held owner_hidden clone-exits
}

@test "holder: a clone in the memory of a process that has ended" {
    held owner_hidden clone-outlives
}

@test "holder: a clone that shared the descriptor table and then took a copy" {
    held owner_hidden clone-by-number
}

@test "holder: a child that was forked while the connection was duplicated" {
    held owner_hidden fork-dups
}

@test "holder: a child that was forked while the connection was accepted, which is then duplicated" {
    held owner_hidden fork-accepts-dup
}

@test "holder: a child that was forked while the connection was accepted, and then another child" {
    held owner_hidden fork-accepts-fork
}

@test "holder: a child, found while another is being forked" {
    # shellcheck disable=SC2034 # played reads it
    knowable=yes
    held owner_hidden fork-closes
    asserts 'len(unread) == 1' 'unread[0]["note"] == "shared"' '"holder_pid" not in unread[0]'
}

@test "holder: a duplicate made while a fork failed" {
    held owner_hidden fork-fails
}

@test "holder: the parent, in an exec that fails, when the child closes" {
    held owner_hidden exec-fails
}

@test "holder: the program itself, when a dup2 over it fails" {
    held owner_hidden dup2-fails
}

@test "holder: an io_uring that it is registered with" {
    held owner_hidden io-uring-file
}

@test "holder: a child in a PID namespace whose /proc shows another" {
    held -p owner_hidden plain-fork
}

@test "holder: a child where there is no /proc" {
    held -n owner_hidden plain-fork
}

@test "holder: a child where /proc hides others' processes" {
    held -h owner_hidden plain-fork
    held -h owner_processes child-is-nobody
    held -h owner_processes nobody-closes
}
