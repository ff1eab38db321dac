#!/usr/bin/env bats
# What lingers while a program changes its rights, and where it may start no process: it goes on wherever that
# is safe, and no thread of the library's has rights that the program has given up.

load ../support/helper
load linger_process

setup()
{
    [[ $EUID == 0 ]] || fail 'these tests need to be root: they change their rights'
}

# ---- RLIMIT_NPROC ----------------------------------------------------------------------------------------

@test "RLIMIT_NPROC 0 before the first connection, by every call: connections linger" {
    local by
    for by in setrlimit setrlimit64 prlimit prlimit64 SYS_setrlimit SYS_prlimit64; do
        WAY=$by all_arrives 5 -u linger_rights limited
    done
}

@test "RLIMIT_NPROC 0 in a service that was started with its listening socket: connections linger" {
    all_arrives 5 -u linger_rights limited-service
}

@test "RLIMIT_NPROC 0 in a program with threads: drain drains, and linger lingers" {
    for _ in 1 2 3 4 5; do
        all_arrives 5 -u linger_rights limited-threads
        asserts 'all(e["action"] == "lingering" for e in closes)'
    done
    linger drain -u linger_rights limited-threads
    asserts 'all(e["action"] == "draining" for e in closes)' 'len(ends) == 5' 'all(e["ended_by"] == "drained" for e in ends)'
}

@test "RLIMIT_NPROC 0 in log, with a control file that says linger later: connections linger" {
    SAFECLOSE_CONTROL=$BATS_TEST_TMPDIR/control
    export SAFECLOSE_CONTROL
    echo log >"$SAFECLOSE_CONTROL"
    chown 64999 "$SAFECLOSE_CONTROL"
    linger log -u linger_rights limited-by-control
    matches '^whole [56] of 6 ' "$(of_peers log)"
}

@test "RLIMIT_NPROC in a program without TCP, and calls that fail: as bare" {
    linger bare linger_rights without-tcp
    linger linger linger_rights without-tcp
    same "$(of_program bare)" "$(of_program linger)"
    all_arrives 5 -u linger_rights wrong-limits
}

@test "RLIMIT_NPROC 0, and then the rights are dropped: connections linger, and no thread keeps them" {
    local by
    for by in setgroups initgroups capset 'before listen'; do
        WAY=$by all_arrives 5 linger_rights limited-then-drops
    done
    WAY='while lingering' all_arrives 7 linger_rights limited-then-drops
    [[ $(of_program linger) != *'rights: '[1-9]* ]] || fail "$(of_program linger)"
}

@test "RLIMIT_NPROC 0 while the lot can't be started: told once, with the reason, and tried again when it is raised" {
    linger linger -u linger_rights limited-for-a-while
    json "$log" '
problems = [e for e in events if e["event"] == "problem"]
assert [p["problem"] for p in problems] == [
    "can'\''t start the library'\''s thread: Resource temporarily unavailable (RLIMIT_NPROC?)"
], problems
assert [(c["action"], c["note"]) for c in closes] == 3 * [("drained", "no-lot")] + 5 * [("lingering", "")], closes'
    same 'whole 8 of 8 resets 0, for unread data 0' "$(of_peers linger)"
}

# ---- Changes that can be taken back ------------------------------------------------------------------------

# keeps_its_lot: it is the same at the end.
keeps_its_lot()
{
    local before after
    before=$(sed -n 's/^before: //p' "$BATS_TEST_TMPDIR/linger.stderr")
    after=$(sed -n 's/^after: //p' "$BATS_TEST_TMPDIR/linger.stderr")
    matches '^1 lots, [0-9]+$' "$before"
    same "$before" "$after"
}

@test "seteuid, setegid and setgroups for each request: what lingers goes on, no thread has other rights" {
    all_arrives 10 linger_rights per-request
    same 'threads of other rights: 0' "$(of_program linger | head -n 1)"
    keeps_its_lot
    WAY='by number' all_arrives 10 linger_rights per-request
    keeps_its_lot
}

@test "the same of a program with threads" {
    WAY=threads linger linger linger_rights per-request
    same 'threads of other rights: 0' "$(of_program linger | head -n 1)"
    keeps_its_lot
    matches '^whole 10 of 10 ' "$(of_peers linger)"
}

@test "threads that are cancelled between changes of rights: they end, and what lingers goes on" {
    all_arrives 3 linger_rights cancels
    same 'cancelled 1 cancelled 1 cancelled 1' "$(of_program linger | head -n 3 | paste -sd ' ')"
    matches 'after: 1 lots' "$(<"$BATS_TEST_TMPDIR/linger.stderr")"
}

@test "a thread with the id of a lot's that has ended: a change of rights does not wait for it" {
    linger linger linger_rights its-id-again
    same 'again 1, waits 0' "$(of_program linger | head -n 1)"
}

@test "changes that are refused: what lingers goes on" {
    all_arrives 5 -u linger_rights refused
}

@test "a change that can't be compared, or leaves the lot a right: no thread has other rights" {
    all_arrives 10 linger_rights many-groups
    for scene in same-answer other-bits; do
        linger linger linger_rights "$scene"
        same 'threads of other rights: 0' "$(of_program linger | head -n 1)"
        matches '^whole 3 of 3 ' "$(of_peers linger)"
    done
}

@test "a thread that changes its own rights alone: the lot has no other's" {
    linger linger linger_rights one-thread-alone
    same 'of other rights: 2' "$(of_program linger | head -n 1)"
    matches '^whole 6 of 6 ' "$(of_peers linger)"
}

@test "changes in a handler that interrupts one, and in four threads at a time: no thread has other rights" {
    for scene in from-a-handler from-threads; do
        linger linger linger_rights "$scene"
        same 'threads of other rights: 0 threads of other rights: 0' "$(of_program linger | head -n 2 | paste -sd ' ')"
        matches '^whole 8 of 8 ' "$(of_peers linger)"
    done
}

@test "a child that changes its rights, after fork or vfork: its parent's lot is as it was" {
    for by in fork vfork; do
        WAY=$by all_arrives 5 linger_rights in-a-child
        same 'threads of other rights: 0' "$(of_program linger | head -n 1)"
        matches 'then: 1 lots' "$(<"$BATS_TEST_TMPDIR/linger.stderr")"
    done
}

# ---- Labels --------------------------------------------------------------------------------------------------

@test "setcon, setcon_raw, aa_change_profile and aa_change_hat: made by the only thread" {
    export LABELS=$programs/linger_labels_lib.so
    for by in setcon setcon_raw aa_change_profile aa_change_hat; do
        WAY=$by all_arrives 10 linger_rights relabels
        same "$by, token 7, of 1 thread" "$(of_program linger | head -n 1)"
    done
}

@test "setcon where there is no libselinux: ENOSYS" {
    all_arrives 5 linger_rights no-labels
}

# ---- The way to the lot ----------------------------------------------------------------------------------------

@test "a program that closes the way to the lot while something lingers: all lingers, before and after" {
    all_arrives 7 linger_rights closes-the-rest
    asserts 'all(e["action"] == "lingering" for e in closes)'
    WAY=threads linger linger linger_rights closes-the-rest
    matches '^whole 7 of 7 ' "$(of_peers linger)"
}

# ---- Wishes ------------------------------------------------------------------------------------------------------

@test "SO_LINGER {1, 0} and TCP_LINGER2 -1 before the connection was passed on: the reset stays" {
    for WAY in dup dup2 dup3 fcntl 'dup, then' fork forked inherited; do
        export WAY
        for WISH in '' linger2; do
            [[ -z $WISH ]] || export WISH
            linger bare linger_rights wishes
            matches 'resets 1, ' "$(of_peers bare)"
            linger linger linger_rights wishes
            same "$(of_peers bare)" "$(of_peers linger)" || fail "$WAY $WISH"
            export -n WISH
        done
    done
}
