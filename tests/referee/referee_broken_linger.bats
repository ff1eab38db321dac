#!/usr/bin/env bats
# The referee can fail: each test breaks one judgement of a copy of the library, in the source, and
# the referee must find out: of lingering.

# Takes long.

load referee_broken

@test "it is found when the lot closes at once" {
    broken remedy/lot_linger.c 'if (lot_discard(lot, fd))' 'if (lot_end(lot, fd, ENDED_PEER_FIN), true)'
    is_found 'the kernel reset a lingering connection' --mode linger
}

@test "it is found when what the program opened lingers without output" {
    broken remedy/plan.c 'return c->info->flags & FD_CONNECTED' 'return false'
    is_found 'action: expected "none", the event says "lingering"' --mode linger
}

@test "it is found when what the program opened does not linger for its output" {
    broken remedy/plan.c 'FD_CONNECTED && !probe' 'FD_CONNECTED \&\& 1 + probe'
    is_found 'the event says "drained"' --mode linger
}

@test "it is found when what the program opened lingers on for late data, all output being acknowledged" {
    broken remedy/lot_linger.c 'if (!(lot_at(lot, fd)->flags & PARCEL_OPENED) ||' 'if (true ||'
    is_found 'ended_by: expected "delivered", the event says "peer-fin"' --mode linger
}

@test "it is found when an exit waits for the peer" {
    broken remedy/lot.c 'lot_end_lingering(lot, ENDED_EXIT, false);' ';'
    is_found 'a program that ends waits for a peer that has all output' --mode linger --stop 4 # each waits
}

@test "it is found when an exit does not wait for output" {
    broken remedy/lot.c 'lot_end_lingering(lot, ENDED_EXIT, false);' 'lot_end_lingering(lot, ENDED_EXIT, true);'
    is_found 'bytes in all, expected' --mode linger
}
