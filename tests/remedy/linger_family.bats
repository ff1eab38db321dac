#!/usr/bin/env bats
# Connections in an epoll set that a fork child has, too. A set knows a registration by (open file, number), and
# both are the child's as well: whoever gives the connection up last takes it out, wherever it was put in before
# the fork. Witnesses as in linger_epoll.bats.

load ../support/helper
load linger_epoll

@test "a child closes it, and ends, as redis' does that saves: lingers" {
    lingers child-closes-first 500
}

@test "a child ends without a close: lingers" {
    lingers child-ends-first 500
}

@test "a child is killed: lingers" {
    lingers child-killed-first 500
}

@test "a child executes another program: lingers" {
    lingers child-executes-first 200
}

@test "closed by the child last: lingers" {
    lingers child-last 500
}

@test "taken out by the child, so that there is nothing to take out any more: drained" {
    is_drained child-takes-out 200
}

@test "taken out by the child and put in again: drained, no stale event" {
    is_drained child-puts-in-anew 200
}

@test "put in by the child: drained, no stale event" {
    is_drained child-puts-in 200
}

@test "put in by a child that is killed: drained, no stale event" {
    is_drained child-puts-in-killed 200
}

@test "put in by the child under a number that it dup'ed: drained, no stale event" {
    is_drained child-puts-in-duplicate 200
}

@test "put in by the parent after the fork, closed by the child last: drained, no stale event" {
    is_drained parent-puts-in 200
}

@test "closed last by a child that has made a set of its own, by the same number: drained, no stale event" {
    is_drained child-new-set 200
}

@test "closed by a process with threads while a child has it: no stale event from what the lot looks at" {
    serves none child-ends-threads 200
    serves linger child-ends-threads 200
}

@test "it is found when what is put in after a fork is kept to oneself" {
    broken holders/given.c '|| put(serial, origin, place, 0)' '|| serial'
    gets_stale_events child-puts-in
}

@test "it is found when a set that is another by now is taken for the first" {
    broken holders/holders.c '!fdtable_enter_epoll(fd, epoll);' '!fdtable_enter_epoll(fd, epoll) \&\& false;'
    gets_stale_events child-new-set
}
