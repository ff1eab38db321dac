#!/usr/bin/env bats
# Programs that rely on close() to take a connection out of their epoll sets. An epoll set drops a
# registration only with the last reference to the connection, so whoever holds it on must undo that,
# or the program goes on getting events with a pointer that it has freed. The witness is the program
# itself (linger_epoll.c), which counts such events, and its client, a process without the library.

load ../support/helper
load linger_epoll

@test "a stale event would be found: a program that holds its connections on gets many" {
    run -0 "$programs/linger_epoll" held-on 100
    matches '^closed=100 stale=[1-9][0-9]* answered=100' "$output"
}

@test "level-triggered: no stale event in 10,000 connections" {
    lingers level 10000
}

@test "edge-triggered: no stale event" {
    lingers edge 2000
}

@test "EPOLLONESHOT: no stale event" {
    lingers oneshot 2000
}

@test "registered by syscall(2): no stale event" {
    lingers syscall 2000
}

@test "in two epoll sets: no stale event from either" {
    lingers two-sets 2000
}

@test "changed, taken out and put in again: no stale event" {
    lingers changed 1000
}

@test "refused before and after it is registered: no stale event" {
    lingers refused 500
}

@test "closed by a thread that the registration woke, before that has returned: no stale event" {
    LIBSAFECLOSE=$LIBSAFECLOSE:$programs/calls_handler_lib.so lingers served-meanwhile 500
}

@test "taken out by the program itself: lingers" {
    lingers taken-out 1000
}

@test "in three epoll sets: drained, no stale event" {
    is_drained three-sets 1000
}

@test "registered under a number that was dup'ed and closed: drained, no stale event" {
    is_drained duplicate 1000
}

@test "in an epoll set that was closed before: drained, no stale event" {
    is_drained closed-set 1000
}

@test "no mode but linger takes anything out of an epoll set" {
    local mode
    for mode in log drain; do
        serves "$mode" level 1000
        same reset=1000 "${lines[1]}"
        if command -v strace >/dev/null; then
            run -0 strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=epoll_ctl -E LD_PRELOAD="$LIBSAFECLOSE" \
                -E SAFECLOSE_MODE="$mode" -E SAFECLOSE_LOG=none "$programs/linger_epoll" level 10
            same 0 "$(grep -c EPOLL_CTL_DEL "$BATS_TEST_TMPDIR/trace")"
        fi
    done
}
