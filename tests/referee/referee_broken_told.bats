#!/usr/bin/env bats
# The referee can fail: each test breaks one judgement of a copy of the library, in the source, and
# the referee must find out: of holders, and of what is told.

# Takes long.

load referee_broken

@test "it is found when a shared close is called a reset, where the kernel can't be asked" {
    broken holders/owner.c 'return OWNER_SHARED;' 'return OWNER_SOLE;'
    from=2301 is_found 'outcome, unconfirmed: expected "none", the event says' --mode log
}

@test "it is found when what is held on is called a reset" {
    broken tcp/diag.c 'r->found.idiag_inode ? DIAG_HELD : DIAG_ORPHAN' 'DIAG_HELD'
    is_found 'the event says "held"' --mode log
}

@test "it is found when an outcome is the verdict's word" {
    broken tcp/pending.c 'e->confirmed = found.confirmed;' 'e->confirmed = false;'
    is_found 'not confirmed, though the kernel can be asked' --mode log
}

@test "it is found when a word is called confirmed that is none" {
    broken doors/tell.c 'summary_count(e);' 'e->confirmed = true, summary_count(e);'
    is_found 'confirmed, where the kernel could not be asked' --mode log
}

@test "it is found when what was held is not asked about again" {
    broken tcp/pending.c 'if (a.what == DIAG_GONE \&\&' 'if (false \&\&'
    is_found 'no close-end, though the kernel reset it' --mode log
}

@test "it is found when a call in progress is passed over" {
    broken remedy/lot_doubt.c 'answer == THREADS_OUT' 'answer >= THREADS_OUT'
    is_found 'MISMATCH, seed' --mode linger # a cut answer, or an end that should not be yet
}

@test "it is found when an owner is guessed, at an exit" {
    broken holders/owner.c 'return OWNER_UNKNOWN;' 'return OWNER_SOLE;'
    is_found 'an event too many' --mode log
}
