#!/usr/bin/env bats
# A program with threads ends, executes another or gives up its rights just after a close: what is under way
# for its connections is settled at once, what can't be is left as it is.

load ../support/helper
load ../support/owner

export SAFECLOSE_EXIT_WAIT=0

# at_once MODE SCENE: up to five tries; a busy machine may be late by itself.
at_once()
{
    local i
    for i in 1 2 3 4 5; do
        played "$1" calls_end "$2"
        grep -q ' late$' "$BATS_TEST_TMPDIR/$1" || return 0
    done
}

# mended SCENE LINE: bare each of its connections is reset, in each mode that acts none is.
mended()
{
    local mode
    played bare calls_end "$1"
    same "$2"$'\n10 of 10 connections reset\nresets for unread data 10' "$(<"$BATS_TEST_TMPDIR/bare")"
    for mode in drain linger; do
        at_once "$mode" "$1"
        same "$mode: $2"$'\n0 of 10 connections reset\nresets for unread data 0' \
            "$mode: $(<"$BATS_TEST_TMPDIR/$mode")"
    done
}

# untouched SCENE: as without the library, and no later.
untouched()
{
    at_once drain "$1"
    mv "$BATS_TEST_TMPDIR/drain" "$BATS_TEST_TMPDIR/acted"
    asserts 'unread[0]["action"] == "draining"' \
        '[e["ended_by"] in ("in-use", "exit", "stopped") for e in ends] == [True]' \
        '[e["discarded"] for e in ends] == [0]'
    played bare calls_end "$1"
    same "$(<"$BATS_TEST_TMPDIR/bare")" "$(<"$BATS_TEST_TMPDIR/acted")"
}

@test "exit and _exit just after: mended" {
    mended exit 'the program ended at once'
    mended _exit 'the program ended at once'
}

@test "execve just after: mended" {
    mended exec 'executed at once'
}

@test "setuid just after: mended" {
    mended setuid 'nobody at once'
}

@test "exit and _exit while a thread writes: left as it is, at once" {
    untouched writer-exit
    untouched writer-_exit
}

@test "execve while a thread writes: left as it is, at once" {
    untouched writer-exec
}

@test "setuid while a thread writes: left as it is, at once" {
    untouched writer-setuid
}
