#!/usr/bin/env bats
# A thousand closes: the kernel's count, the peers' and the library's are the same. Witnesses as in
# close.bats.

load ../support/helper
load ../support/scene

# thousand MODE: a thousand connections, each with 1024 bytes unread when it is closed.
thousand()
{
    local mode=$1 round=('peer connects 250' 'program accepts 250' 'peer all send 1024'
        'program closes all' 'peer all read to the end')
    scene "$mode" --alone 'program listens 300' "${round[@]}" "${round[@]}" "${round[@]}" "${round[@]}"
    same 4 "$(grep -cx 'closed=250 of 250' "$log.seen")"
}

@test "1,000 unread closes: the kernel and the summary count 1,000 resets in log" {
    thousand log
    saw on_close 1000 resets 1000
    same 4 "$(grep -cx 'peers_reset=250' "$log.seen")"
    # And the listening socket's.
    sums closes 1001 causes.unread-data 1000 outcomes.rst 1000 outcomes.unknown 0 actions.drained 0
    same 1000 "$((closes + summed[suppressed] + summed[lost]))"
    same "$closes" "$cookies"
}

@test "1,000 unread closes: the kernel and the summary count none in drain" {
    thousand drain
    saw on_close 0 resets 0
    same 4 "$(grep -cx 'peers_eof=250' "$log.seen")"
    sums closes 1001 causes.unread-data 1000 outcomes.fin 1000 outcomes.rst 0 actions.drained 1000
    same 1000 "$((closes + summed[suppressed] + summed[lost]))"
}

@test "1,000 unread closes: the kernel and the summary count none in linger" {
    thousand linger
    saw on_close 0 resets 0
    same 4 "$(grep -cx 'peers_eof=250' "$log.seen")"
    sums closes 1001 causes.unread-data 1000 outcomes.fin 1000 outcomes.rst 0 actions.lingering 1000
}
