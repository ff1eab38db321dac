#!/usr/bin/env bats
# Closing a listening socket, with clients that wait to be accepted. Witnesses as in close.bats.

load ../support/helper
load ../support/scene

@test "a listening socket that nobody waits for: nothing is sent in any mode" {
    SAFECLOSE_EVENTS=all never_changed --alone 'program listens' 'program closes the listener'
    saw resets 0
    same 1 "$closes"
    tells cause none outcome none state LISTEN peer ''
}

@test "7 clients waiting to be accepted: each is reset in every mode, and counted" {
    never_changed --alone 'program listens' 'peer connects 7' 'program closes the listener' \
        'peer all read to the end'
    saw resets 7 on_close 0 peers_reset 7 peers_eof 0
    same 1 "$closes"
    tells cause pending-accepts outcome rst pending 7 state LISTEN action none note '' via close \
        peer '' local "127.0.0.1:${seen[port]}" tid "${seen[tid]}"
}

@test "7 clients waiting, two accepted: 5 are reset, and counted" {
    never_changed --alone 'program listens' 'peer connects 7' 'program accepts 2' \
        'program closes the listener' 'program closes all' 'peer all read to the end'
    saw resets 5 peers_reset 5 peers_eof 2
    tells cause pending-accepts pending 5
}
