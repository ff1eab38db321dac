#!/usr/bin/env bats
# The end of a process in mode linger: what is open and at risk is handed to the lot, the lot is waited for,
# and nothing that the program wrote is lost. The peers send late data behind the end of what they read,
# which resets what nobody lingers on.

load ../support/helper
load linger_process

@test "return from main: every byte arrives" {
    output_arrives 1 linger_exit return
}

@test "exit: every byte arrives" {
    output_arrives 1 linger_exit exit
    asserts '[e["action"] for e in closes] == ["lingering"]' 'ends[0]["ended_by"] in ("exit", "peer-fin")'
}

@test "_exit and _Exit: every byte arrives" {
    output_arrives 1 linger_exit _exit
    output_arrives 1 linger_exit _Exit
}

@test "quick_exit: every byte arrives" {
    output_arrives 1 linger_exit quick_exit
}

@test "syscall(SYS_exit_group): every byte arrives" {
    output_arrives 1 linger_exit exit_group
}

@test "the end of the last thread: every byte arrives" {
    output_arrives 1 linger_exit last-thread
}

@test "exit in a thread, while the main thread waits or has ended: every byte arrives" {
    output_arrives 1 linger_exit exit-in-thread
    output_arrives 1 linger_exit other-thread-exits
}

@test "a thread that closes after the main thread's end, then the last one's end: every byte arrives" {
    output_arrives 1 linger_exit other-thread-goes-on
}

@test "a close in a handler of exit: every byte arrives" {
    output_arrives 1 linger_exit close-in-handler
}

@test "40 connections, parked and open: every byte arrives" {
    output_arrives 40 linger_exit many
}

# ---- How long ----------------------------------------------------------------------------------------

# The peer would wait for the program's end as long as the program for the peer's.
@test "SAFECLOSE_EXIT_WAIT=0: nobody is waited for, and what was written still arrives" {
    SAFECLOSE_EXIT_WAIT=0 all_arrives 5 linger_exit peer-waits
    asserts 'len(ends) == 5' 'all(e["ended_by"] == "exit" and e["outcome"] == "fin" for e in ends)'
}

@test "SAFECLOSE_EXIT_WAIT is over: what was written still arrives" {
    SAFECLOSE_EXIT_WAIT=300ms all_arrives 5 linger_exit peer-waits
    asserts 'len(ends) == 5' 'all(e["ended_by"] == "exit" and e["outcome"] == "fin" for e in ends)'
}

@test "nothing parked: nothing is waited for" {
    all_arrives 1 linger_exit nothing-parked
    linger linger linger_exit no-connection
    arrived 0
}

# As the close of a file may that somebody with other rights has passed to it. A tracer is easier to have.
@test "a lot that no signal gets out of its call: another lot is started, and the process ends" {
    SAFECLOSE_EXIT_WAIT=100ms linger linger linger_exit lot-is-stopped
    matches '^whole 1 of 1 ' "$(of_peers linger)"
    asserts '[e["action"] for e in closes] == ["lingering"]'
}

# ---- Fork per connection -------------------------------------------------------------------------------

@test "a child for each connection, gone before its peer reads: the parent's lot has them all" {
    output_arrives 12 linger_exit child-per-connection
}

@test "a child whose parent has ended, and the parent's lot with it: has its own" {
    output_arrives 1 linger_exit child-of-the-dead
    output_arrives 6 linger_exit child-accepts-after-parent
}

@test "a child whose parent never had a lot: has its own" {
    output_arrives 1 linger_exit child-starts-first-lot
}

# ---- Streams -----------------------------------------------------------------------------------------------

@test "a stream on a connection, unflushed at exit: every byte arrives" {
    output_arrives 1 linger_exit stream-at-exit
    output_arrives 1 linger_exit stream-at-_exit
}

@test "a stream on a connection, closed unflushed: every byte arrives" {
    output_arrives 1 linger_exit stream-closed
    output_arrives 1 linger_exit stream-reopened
    output_arrives 1 linger_exit streams-fcloseall
}

@test "a stream that has read more than the program did: every byte arrives" {
    output_arrives 1 linger_exit stream-unread
}

# What it may hold unflushed can't be known without its lock, so there is no half-close.
@test "a stream that another thread is reading from at exit: nobody waits for it" {
    linger linger linger_exit stream-in-use
    arrived 1
}

@test "100 streams unflushed at exit: every byte arrives" {
    output_arrives 100 linger_exit many-streams
}

@test "a connection as the standard streams of a child, unflushed at its exit: every byte arrives" {
    output_arrives 1 linger_exit inetd-exits
    output_arrives 1 linger_exit inetd-reopens
}
