#!/usr/bin/env bats
# The referee can fail: each test breaks one judgement of a copy of the library, in the source, and
# the referee must find out. What is broken is named by the line that is replaced, so that a change
# of the source that moves the line is noticed here.

# Takes long.

setup_file()
{
    load helper
    export source=$BATS_FILE_TMPDIR/source
    mkdir -p "$source/build"
    cp -Rp "$top/Makefile" "$top/shim" "$source"
    # What is built already need not be built again.
    cp -Rp "${BUILD:-$top/build}/shim" "$source/build" || true
    make -s -C "$source" -j2 libsafeclose.so >&2
}

setup()
{
    load helper
}

# broken FILE OLD NEW: the library with every OLD in shim/FILE replaced by NEW (basic regular
# expressions), which must be there.
broken()
{
    local copy=$BATS_TEST_TMPDIR/broken
    cp -Rp "$source" "$copy"
    sed -i "s/$2/$3/" "$copy/shim/$1"
    if cmp -s "$source/shim/$1" "$copy/shim/$1"; then
        fail "shim/$1 has no line with \"$2\": tell this test what it looks like now"
    fi
    make -s -C "$copy" libsafeclose.so >&2
    export LIBSAFECLOSE=$copy/libsafeclose.so
}

# is_found WORDS [OPTION...]: within some thousand scenarios there are mismatches, one of them of this kind.
is_found()
{
    run -1 "$programs/referee" --count 4000 --stop 12 "${@:2}"
    [[ $output == *"$1"* ]] || fail "nothing about: $1" "$output"
}

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

@test "it is found when the lot closes at once" {
    broken remedy/lot.c 'if (discard(lot, fd))' 'if (end(lot, fd, ENDED_PEER_FIN), true)'
    is_found 'the kernel reset a lingering connection' --mode linger --stop 100
}

@test "it is found when what the program opened lingers without output" {
    broken closing.c 'return g->note->flags & FD_CONNECTED' 'return false'
    is_found 'action: expected "none", the event says "lingering"' --mode linger
}

@test "it is found when what the program opened does not linger for its output" {
    broken closing.c 'FD_CONNECTED && !probe' 'FD_CONNECTED \&\& 1 + probe'
    is_found 'the event says "drained"' --mode linger
}

@test "it is found when what the program opened lingers on for late data, all output being acknowledged" {
    broken remedy/lot.c 'if (!(at(lot, fd)->flags & PARCEL_OPENED) ||' 'if (true ||'
    is_found 'ended_by: expected "delivered", the event says "peer-fin"' --mode linger
}

@test "it is found when an exit waits for the peer" {
    broken remedy/lot.c 'end_lingering(lot, ENDED_EXIT, false);' ';'
    is_found 'a program that ends waits for a peer that has all output' --mode linger --stop 4 # each waits
}

@test "it is found when an exit does not wait for output" {
    broken remedy/lot.c 'end_lingering(lot, ENDED_EXIT, false);' 'end_lingering(lot, ENDED_EXIT, true);'
    is_found 'bytes in all, expected' --mode linger
}
