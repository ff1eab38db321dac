#!/usr/bin/env bats
# SO_LINGER, which asks for a reset or has the close wait, and what else a program may ask for.
# Witnesses as in close.bats.

load ../support/helper
load ../support/scene

@test "SO_LINGER {1,0} is a reset that the program asks for: told, and left alone in every mode" {
    never_changed 'program lingers 0' 'program closes' "$end"
    resets_for TCP_STATE on_data
    tells_who
    tells cause zero-linger outcome rst unread 0 action none note ''
}

@test "SO_LINGER {1,0} inherited from the listening socket: told, and left alone in every mode" {
    never_changed --alone 'program listens' 'program lingers on the listener 0' 'peer connects' \
        'program accepts' 'program closes' "$end"
    resets_for TCP_STATE on_data
    tells_who
    tells cause zero-linger outcome rst
}

@test "SO_LINGER {1,0} on a duplicate of the listening socket: an accepted connection resets as bare, in every mode" {
    never_changed --alone 'program listens' 'program lingers on a duplicate of the listener 0' \
        'peer connects' 'program accepts' 'peer sends 1024' 'program closes' "$end"
    saw resets 1 peer_end ECONNRESET
}

@test "SO_LINGER {1,0} that the parent sets after it forked a worker: what that accepts resets as bare, in every mode" {
    never_changed --alone 'program listens' 'program starts a worker that answers 3000' \
        'program lingers on the listener 0' 'peer connects' 'peer sends 1024' 'program awaits the worker' "$end"
    saw child 0 resets 1 peer_end ECONNRESET
}

@test "SO_LINGER {1,0} set through a duplicate: told, and left alone in every mode" {
    never_changed 'program shares by dup' 'program lingers on the duplicate 0' \
        'program closes the duplicate' 'program closes' "$end"
    resets_for TCP_STATE on_data
    tells cause zero-linger action none fd "${seen[fd]}"
}

@test "SO_LINGER {1,0} and unread: counts as unread in off, log and warn" {
    unchanged 'program lingers 0' 'peer sends 1024' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    tells cause unread-data outcome rst unread 1024
}

@test "SO_LINGER {1,0} and unread: the reset that the program asks for stays when drained" {
    scene drain 'program lingers 0' 'peer sends 1024' 'program closes' "$end"
    saw resets 1 peer_end ECONNRESET
    tells_who
    tells outcome rst unread 1024
}

@test "SO_LINGER {1,0} and unread: the advice is not to ask for a reset, and no mode" {
    SAFECLOSE_LOG=stderr scene warn 'program lingers 0' 'peer sends 1024' 'program closes' "$end"
    matches 'fix: do not set SO_LINGER .*; no mode prevents this' "$(<"$stderr")"
    ! grep -q SAFECLOSE_MODE "$stderr" || fail "a mode is advised: $(<"$stderr")"
}

@test "SO_LINGER {1,0} and unread: text tells no other reason for the reset when drained" {
    SAFECLOSE_LOG=stderr scene drain 'program lingers 0' 'peer sends 1024' 'program closes' "$end"
    saw resets 1
    matches 'RST \[' "$(<"$stderr")"
    [[ $(<"$stderr") != *'more were unread'* ]] || fail "$(<"$stderr")"
}

@test "SO_LINGER {1,0} with both FINs acknowledged: nothing is sent in any mode" {
    SAFECLOSE_EVENTS=all never_changed 'program lingers 0' 'peer shuts down' \
        'program awaits CLOSE_WAIT' 'program shuts writing' 'program awaits CLOSE' 'program closes' "$end"
    saw resets 0
    tells cause none outcome none state CLOSE
}

@test "SO_LINGER {1,5}, nothing unread: FIN in every mode" {
    SAFECLOSE_EVENTS=all never_changed 'program lingers 5' 'program closes' "$end"
    resets_nobody
    tells cause none outcome fin
}

@test "SO_LINGER {1,5} and unread: a reset, which off, log and warn leave as it is" {
    unchanged 'program lingers 5' 'peer sends 1024' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells cause unread-data outcome rst
}

@test "SO_LINGER {1,5} and unread: FIN when drained" {
    scene drain 'program lingers 5' 'peer sends 1024' 'program closes' "$end"
    resets_nobody
    tells cause unread-data outcome fin action drained discarded 1024
}

@test "TCP_LINGER2 below 0 resets in FIN_WAIT2: outcome rst" {
    SAFECLOSE_EVENTS=all never_changed 'program sets linger2 -1' 'program shuts writing' \
        'program awaits FIN_WAIT2' 'program closes' "$end"
    saw resets 1 on_linger 1
    tells outcome rst state FIN_WAIT2
}
