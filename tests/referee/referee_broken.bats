#!/usr/bin/env bats
# The referee can fail: each test breaks one judgement of a copy of the library, in the source, and
# the referee must find out.

# Takes long.

load referee_broken

@test "it is found when FIONREAD is trusted alone" {
    broken tcp/probe.c 'p->urgent = sys_ioctl_int.*' 'p->urgent = false;'
    is_found 'cause: expected "unread-data", the event says "none"'
}

@test "it is found when CLOSE is taken for a connection" {
    broken tcp/verdict.c 'if (f->state == STATE_CLOSE)' 'if (false)'
    is_found 'cause: expected "none", the event says "unread-data"'
}

@test "it is found when zero linger is missed" {
    broken tcp/verdict.c 'if (f->zero_linger) {' 'if (false) {'
    is_found 'cause: expected "zero-linger", the event says "none"'
}

@test "it is found when unread data is thought harmless after a half-close" {
    broken tcp/verdict.c 'if (f->unread)' 'if (f->unread \&\& f->state != STATE_FIN_WAIT2)'
    is_found 'cause: expected "unread-data", the event says "none"'
}

@test "it is found when zero linger is thought harmless with a FIN unsent" {
    broken tcp/verdict.c 'bool closing_with_output =' 'bool closing_with_output = false \&\&'
    is_found 'cause: expected "zero-linger", the event says "none"'
}

@test "it is found when our FIN counts as output" {
    broken tcp/probe.c 'sequence_numbers && fin_is_counted' 'false \&\& fin_is_counted'
    is_found 'unacked: expected'
}

@test "it is found when our FIN counts as output after a reset" {
    broken tcp/probe.c 'state == STATE_CLOSE && half_closed' 'false \&\& half_closed'
    is_found 'unacked: expected'
}

@test "it is found when a drain stops at urgent data" {
    broken remedy/drain.c 'if (n <= 0) {' 'if (d.bytes || n <= 0) {'
    is_found 'discarded: expected'
}

@test "it is found when a drain discards what another holder would have read" {
    broken holders/owner.c 'return OWNER_SHARED;' 'return OWNER_SOLE;'
    is_found 'the other holder read' --mode drain
}

@test "it is found when a door is not seen" {
    broken doors/exit.c 'closing_all(via, call_site, mode);' '(void)via, (void)call_site, (void)mode;'
    is_found 'no event: expected cause'
}
