#!/usr/bin/env bats
# A thread in the middle of a call on the connection is a holder like any other.

# Runs alone: what can be told of threads depends on their getting a CPU.

load ../support/helper
load ../support/owner

# settled PROGRAM SCENE ENDED_BY LINE...: what is said in mode drain, where the lot got the connection, and
# so it ended there.
settled()
{
    drained "$1" "$2" "${@:4}"
    asserts 'len(unread) == 1' 'unread[0]["action"] == "draining"' 'unread[0]["note"] == ""' \
        'unread[0]["outcome"] == "none"' 'unread[0]["discarded"] == 0' \
        "[e['ended_by'] for e in events if e['event'] == 'linger-end'] == ['$3']"
}

@test "a thread that waits to read: what comes after the close is the thread's" {
    never_touched owner_threads reader
}

@test "a thread that waits for more than has come (SO_RCVLOWAT): what has come is the thread's" {
    never_touched owner_threads reader-of-more
}

@test "a thread that peeks until there is more: what has come is the thread's, and discarded after it" {
    unchanged owner_threads peeker
    same "$(printf '%s\n' 'peeker: 10 bytes, right, no error' 'resets for unread data 1')" \
        "$(<"$BATS_TEST_TMPDIR/bare")"
    settled owner_threads peeker drained 'peeker: 10 bytes, right, no error' 'resets for unread data 0'
}

@test "a thread that was woken and does not run yet: what woke it is the thread's" {
    never_touched owner_threads reader-about-to-run
}

@test "a thread that waits since before O_NONBLOCK was set: what has come is the thread's" {
    never_touched owner_threads reader-before-nonblocking
}

@test "a thread that writes 20 MB while another closes with 5 bytes unread: its call succeeds" {
    as_bare log -- owner_threads writer
    asserts 'len(unread) == 1' 'unread[0]["note"] == "held"' \
        'unread[0]["outcome"] == "none" and unread[0]["confirmed"]'
}

@test "a thread that writes 20 MB while another closes with 5 bytes unread: drained after it, all arrives" {
    settled owner_threads writer-at-risk drained 'writer: 20971520 bytes' \
        'peer read 20971520 bytes, then the end' 'resets for unread data 0'
}

@test "a thread that writes 20 MB while another closes: all of them arrive, and then the end" {
    as_bare log drain -- owner_threads writer-then-end
    matches 'peer read 20971520 bytes, then the end' "$(<"$BATS_TEST_TMPDIR/drain")"
}

@test "a thread that writes when another exits with 5 bytes unread: the reset that comes is told" {
    as_bare log drain -- owner_threads writer-at-exit
    matches 'resets for unread data 1' "$(<"$BATS_TEST_TMPDIR/bare")"
    settled owner_threads writer-at-exit in-use 'resets for unread data 1'
    asserts 'ends[0]["outcome"] == "unknown"'
    played log owner_threads writer-at-exit
    asserts 'unread[0]["note"] == ""' 'unread[0]["outcome"] == "rst"'
}

@test "a thread in poll takes nothing: its end resets, which off, log and warn leave as it is" {
    unchanged owner_threads watcher
    matches ECONNRESET "$(<"$BATS_TEST_TMPDIR/bare")"
}

@test "a thread in poll takes nothing: drained, its end is the end" {
    settled owner_threads watcher drained 'peer: 0 bytes, end' 'resets for unread data 0'
}
