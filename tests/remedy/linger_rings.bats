#!/usr/bin/env bats
# Programs that put connections into an epoll set by a ring of io_uring, unseen, as libuv does; and programs
# that have a ring for something else. Witnesses as in linger_epoll.bats.

load ../support/helper
load linger_epoll

# A ring of that kind.
needs_ring()
{
    run "$programs/linger_epoll" "$1" 1
    ((status != 77)) || skip "no such ring to be had"
}

@test "put in by a ring, and taken out by epoll_ctl just before the close, as libuv does: lingers" {
    needs_ring ring-taken-out
    lingers ring-taken-out 2000
}

@test "put in by a ring, and left to its close: drained, no stale event" {
    needs_ring ring
    is_drained ring 500
}

@test "the ring was used before the connection came: lingers" {
    needs_ring ring-before
    lingers ring-before 1000
}

@test "taken out by epoll_ctl, and put in again by a ring: drained, no stale event" {
    needs_ring ring-again
    is_drained ring-again 500
}

@test "put in by a ring under a number that was dup'ed and closed, and taken out under the other: drained, no stale event" {
    needs_ring ring-duplicate
    is_drained ring-duplicate 500
}

@test "put in by a ring that the kernel polls, after it was taken out: drained, no stale event" {
    needs_ring ring-polled
    is_drained ring-polled 500
}

@test "put in by a fork child's own ring: drained, no stale event" {
    needs_ring ring-child
    is_drained ring-child 200
}

@test "taken out while a thread is giving a ring requests: left alone, no stale event" {
    needs_ring ring-thread
    serves linger ring-thread 200
    json "$log" "
assert closes and all((e['action'], e['note']) == ('passed', 'epoll') for e in closes), closes[-1]
assert summaries[-1]['actions']['passed'] == 200, summaries[-1]"
}

@test "an io_uring_setup that fails, and a call that only waits, keep nothing from lingering" {
    lingers ring-none 500
}

@test "it is found when what a ring was given is forgotten" {
    needs_ring ring-again
    broken holders/rings.c 'now != info->rings ||' ''
    gets_stale_events ring-again
}

@test "it is found when another process's ring is forgotten" {
    needs_ring ring-child
    broken holders/rings.c 'family_rings_elsewhere() &&' 'false \&\&'
    gets_stale_events ring-child
}
