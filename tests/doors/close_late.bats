#!/usr/bin/env bats
# Data that arrives after the close resets too: no part of what the close did, and nothing that the
# library may deny. Witnesses as in close.bats.

load ../support/helper
load ../support/scene

@test "drained, then late data: reset, which the log does not deny" {
    scene drain 'peer sends 1024' 'program closes' 'peer sends late 4' "$end"
    saw resets 1 on_close 0
    tells cause unread-data outcome fin action drained
}

@test "a clean close with output unacknowledged is counted as at risk, and late data shows why" {
    local mode
    for mode in log drain; do
        scene "$mode" --narrow 'program fills' 'program closes' 'peer sends late 4' "$end"
        saw resets 1 on_close 0 peer_end ECONNRESET
        ((seen[peer_bytes] < seen[written])) || fail "nothing was lost"
        same 0 "$closes"
        sums at_risk 1
    done
}

@test "a drained close with output unacknowledged is counted as at risk, too" {
    scene drain --narrow 'program fills' 'peer sends 5' 'program closes' 'peer sends late 4' "$end"
    saw resets 1 on_close 0 peer_end ECONNRESET
    tells outcome fin action drained
    sums at_risk 1
}

@test "a close is not at risk when all output is acknowledged, or the peer can send no more" {
    scene log 'program writes 3000' 'peer reads 3000' 'program closes' "$end"
    resets_nobody
    sums at_risk 0
    scene log --narrow 'program fills' 'peer shuts down' 'program awaits CLOSE_WAIT' 'program closes' "$end"
    resets_nobody
    sums at_risk 0
}
