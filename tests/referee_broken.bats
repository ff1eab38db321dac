#!/usr/bin/env bats
# The referee can fail: each test breaks one judgement of a copy of the library, in the source, and
# the referee must find out.

# Takes long.

load referee_broken

@test "it is found when FIONREAD is trusted alone" {
    broken probe.c 'p->urgent = sys_ioctl_int.*' 'p->urgent = false;'
    is_found 'cause: expected "unread-data", the event says "none"'
}

@test "it is found when CLOSE is taken for a connection" {
    broken verdict.c 'if (f->state == STATE_CLOSE)' 'if (false)'
    is_found 'cause: expected "none", the event says "unread-data"'
}

@test "it is found when zero linger is missed" {
    broken verdict.c 'if (f->zero_linger) {' 'if (false) {'
    is_found 'cause: expected "zero-linger", the event says "none"'
}

@test "it is found when a shared close is called a reset, where the kernel can't be asked" {
    broken owner.c 'return OWNER_SHARED;' 'return OWNER_SOLE;'
    is_found 'outcome, unconfirmed: expected "none", the event says' --mode log --stop 300
}

@test "it is found when what is held on is called a reset" {
    broken tcp/diag.c 'r->found.idiag_inode ? DIAG_HELD : DIAG_ORPHAN' 'DIAG_HELD'
    is_found 'the event says "held"' --mode log
}

@test "it is found when an outcome is the verdict's word" {
    broken pending.c 'e->confirmed = told.confirmed;' 'e->confirmed = false;'
    is_found 'not confirmed, though the kernel can be asked' --mode log
}

@test "it is found when a word is called confirmed that is none" {
    broken closing.c 'summary_count(e);' 'e->confirmed = true, summary_count(e);'
    is_found 'confirmed, where the kernel could not be asked' --mode log
}

@test "it is found when what was held is not asked about again" {
    broken pending.c 'if (a.what == DIAG_GONE \&\&' 'if (false \&\&'
    is_found 'no close-end, though the kernel reset it' --mode log
}

@test "it is found when a call in progress is passed over" {
    broken remedy/lot.c 'answer == THREADS_OUT' 'answer >= THREADS_OUT'
    is_found 'MISMATCH, seed' --mode linger # a cut answer, or an end that should not be yet
}

@test "it is found when an owner is guessed, at an exit" {
    broken owner.c 'return OWNER_UNKNOWN;' 'return OWNER_SOLE;'
    is_found 'an event too many' --mode log
}

@test "it is found when unread data is thought harmless after a half-close" {
    broken verdict.c 'if (f->unread)' 'if (f->unread \&\& f->state != STATE_FIN_WAIT2)'
    is_found 'cause: expected "unread-data", the event says "none"'
}

@test "it is found when zero linger is thought harmless with a FIN unsent" {
    broken verdict.c 'bool closing_with_output =' 'bool closing_with_output = false \&\&'
    is_found 'cause: expected "zero-linger", the event says "none"'
}

@test "it is found when our FIN counts as output" {
    broken probe.c 'sequence_numbers && fin_is_counted' 'false \&\& fin_is_counted'
    is_found 'unacked: expected'
}

@test "it is found when our FIN counts as output after a reset" {
    broken probe.c 'state == STATE_CLOSE && half_closed' 'false \&\& half_closed'
    is_found 'unacked: expected'
}

@test "it is found when a drain stops at urgent data" {
    broken remedy/drain.c 'if (n <= 0) {' 'if (d.bytes || n <= 0) {'
    is_found 'discarded: expected'
}

@test "it is found when a drain discards what another holder would have read" {
    broken owner.c 'return OWNER_SHARED;' 'return OWNER_SOLE;'
    is_found 'the other holder read' --mode drain --stop 60
}

@test "it is found when a door is not seen" {
    broken doors/exit.c 'closing_all(via, call_site, mode);' '(void)via, (void)call_site, (void)mode;'
    is_found 'no event: expected cause'
}
