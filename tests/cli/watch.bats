#!/usr/bin/env bats
# safeclose watch: each cause of a reset is named, with the process and the function behind it. The peer tells what it
# read; the function's name is the scene's.

load ../support/helper
load watch

# shellcheck disable=SC2154 # of_...: plays sets them

@test "a close with unread data is told with its reason, process and function" {
    plays unread
    same ECONNRESET "$of_read"
    resets 'len(resets) == 1' 'r["cause"] == "unread-data"' 'r["reason"] == "TCP_ABORT_ON_CLOSE"' \
        "r['pid'] == $of_program" 'r["comm"] == "watch_play"' 'r["direction"] == "sent"' \
        "r['local'] == '127.0.0.1:$port'" 'r["functions"][0] == "close_unread"' 'r["via"] == "close"' \
        '"main" in r["functions"]' 'r["why"] == "closed with unread data"'
}

@test "a zero linger is told as asked for by the program" {
    plays zero-linger
    same ECONNRESET "$of_read"
    resets 'r["cause"] == "zero-linger"' "r['pid'] == $of_program" 'r["functions"][0] == "close_zero_linger"'
}

@test "late data during output: joined with the close before it" {
    plays late-output
    same ECONNRESET "$of_read"
    resets 'r["cause"] == "late-data"' 'r["reason"] == "TCP_ABORT_ON_DATA"' "r['pid'] == $of_program" \
        'r["functions"][0] == "close_during_output"' 'r["after_close_us"] > 0' 'not r["half_closed"]'
}

@test "late data after the FIN was acknowledged: joined with the close before it" {
    plays late-fin
    resets 'r["cause"] == "late-data"' 'r["reason"] == "TCP_TIMEWAIT_SOCKET"' "r['pid'] == $of_program" \
        'r["functions"][0] == "close_cleanly"'
}

@test "late data that the listener answers: the only close on that port is named as likely" {
    plays late-listener
    resets 'r["reason"] == "TCP_TIMEWAIT_SOCKET"' 'resets[1]["reason"] == "TCP_FLAGS"' \
        'resets[1]["cause"] == "late-data"' 'resets[1]["inferred"]' 'resets[1]["functions"][0] == "close_cleanly"'
}

@test "late data for a connection that the kernel has forgotten: joined all the same" {
    plays late-forgotten
    resets 'resets[1]["reason"] == "NO_SOCKET"' 'resets[1]["cause"] == "late-data"' \
        "resets[1]['pid'] == $of_program" 'resets[1]["functions"][0] == "close_cleanly"'
}

@test "late data after a shutdown is told as half-closed, with the function that shut it down" {
    plays half
    same 'EOF EPIPE' "$of_read"
    resets 'r["cause"] == "late-data"' 'r["half_closed"]' 'r["via"] == "shutdown"' 'r["functions"][0] == "half_close"' \
        'r["why"] == "data arrived after the program shut this connection down"'
}

@test "a close after a half-close whose FIN waits is told as the close" {
    plays half-output
    same ECONNRESET "$of_read"
    resets 'r["cause"] == "late-data"' 'not r["half_closed"]' 'r["functions"][0] == "close_cleanly"'
}

@test "a close after a half-close is told as the close" {
    plays half-then-close
    resets 'r["cause"] == "late-data"' 'not r["half_closed"]' 'r["functions"][0] == "close_cleanly"' 'r["via"] == "close"'
}

@test "a listener closed with a client in its queue" {
    plays pending
    same ECONNRESET "$of_read"
    resets 'r["cause"] == "pending-accepts"' "r['pid'] == $of_program" 'r["functions"][0] == "close_listener"'
}

@test "a process killed with unread data: its end, and no stack" {
    plays killed
    same ECONNRESET "$of_read"
    resets 'r["cause"] == "unread-data"' "r['pid'] == $of_victim" 'r["ending"]' 'r["stack"] == []'
}

@test "a child that is gone at once is named, and its function read from its parent's mappings" {
    plays forked
    same ECONNRESET "$of_read"
    resets 'r["cause"] == "unread-data"' "r['pid'] == $of_child" 'r["comm"] == "watch_play"' \
        'r["functions"][0] == "close_unread"'
}

@test "a port where nobody listens: no process is named" {
    plays closed-port
    same ECONNREFUSED "$of_read"
    resets 'r["cause"] == "no-socket"' '"pid" not in r' 'r["stack"] == []'
}

@test "a peer that answers no keepalive probe: no process is named" {
    plays keepalive
    same ETIMEDOUT "$of_read"
    resets 'r["cause"] == "keepalive"' '"pid" not in r' 'r["reason"] == "TCP_KEEPALIVE_TIMEOUT"'
}

@test "a reset that came in is told only with --received" {
    plays peer
    same ECONNRESET "$of_read"
    json "$events" 'assert all(e["cause"] == "zero-linger" for e in events if e["event"] == "reset"), events'
    watch_with=(--received)
    plays peer
    resets 'any(e["direction"] == "received" and e["cause"] == "peer" for e in resets)'
}

@test "IPv6 is told as IPv4 is" {
    plays -6 unread
    resets "r['local'] == '[::1]:$port'" 'r["cause"] == "unread-data"' 'r["functions"][0] == "close_unread"'
    plays -6 late-output
    resets 'r["cause"] == "late-data"' 'r["functions"][0] == "close_during_output"'
}
