#!/usr/bin/env bats
# Mode linger where there is little room, and where the program takes away what the lot stands on. Where a
# connection can't linger it is drained: what was written arrives, whatever else happens.

load ../support/helper
load linger_process

# nothing_lost COUNT [OPTION...] PROGRAM SCENE: bare, some of so many connections lose output; with the
# library every byte arrives, though not everywhere would late data find somebody to take it.
nothing_lost()
{
    plays_both "${@:2}"
    matches "^whole $1 of $1 resets [0-9]+, for unread data 0\$" "$(of_peers linger)"
}

# ---- RLIMIT_NOFILE -------------------------------------------------------------------------------------

@test "RLIMIT_NOFILE 64: 120 connections, of which those that find no room make some" {
    nothing_lost 120 linger_limits few-descriptors
    # A peer that is quicker than the lot is done before it would have to make room.
    asserts 'summaries[0]["linger_ends"]["evicted"] > 0' 'summaries[0]["actions"]["lingering"] == 120' \
        'sum(summaries[0]["linger_ends"].values()) == 120' \
        'all(e["outcome"] == "fin" for e in ends)'
}

@test "RLIMIT_NOFILE 64: the log, the way to the lot and to the kernel's answers take three numbers from the program" {
    local bare
    linger bare linger_limits few-descriptors
    bare=$(grep -m 1 '^room' "$BATS_TEST_TMPDIR/bare.stderr")
    same "$bare"$'\n'"$bare" "$(grep '^room' "$BATS_TEST_TMPDIR/bare.stderr")"
    linger linger linger_limits few-descriptors
    bare="room $((${bare#room } - 3))"
    same "$bare"$'\n'"$bare" "$(grep '^room' "$BATS_TEST_TMPDIR/linger.stderr")"
}

@test "RLIMIT_NOFILE 64: 40 connections linger" {
    all_arrives 40 linger_limits few-descriptors-late
}

@test "every number in use" {
    all_arrives 20 linger_limits at-the-limit
}

@test "RLIMIT_NOFILE just above what is open" {
    nothing_lost 20 linger_limits limit-of-a-few
}

@test "RLIMIT_NOFILE lowered below what is parked" {
    nothing_lost 120 linger_limits lowered
    # How many depends on when the lot gets CPU: what is still under way to it may be over by then.
    asserts 'summaries[0]["linger_ends"]["evicted"] > 0' 'summaries[0]["actions"]["lingering"] == 120'
}

@test "no room for the way to the lot: drained instead, and told once" {
    linger linger linger_limits no-high-number
    asserts '[e["action"] for e in closes] == ["drained"] * 5'
    same 1 "$(grep -c "can't start the library's thread: Too many open files" "$log")"
}

# ---- A lot that can't be fed -------------------------------------------------------------------------------

@test "ETOOMANYREFS: drained instead, and told" {
    nothing_lost 11 -u linger_limits nothing-more-under-way
    same 'sendmsg: ETOOMANYREFS' "$(of_program linger | head -n 1)"
    # The first that was under way to the lot may arrive at any time, and make room for one more.
    asserts 'sum(e["note"] == "lot-full" and e["action"] == "drained" for e in closes) >= 8' \
        'all(e["action"] == "lingering" or e["note"] == "lot-full" for e in closes)'
}

@test "100 closes at once by a user who may have 20 under way" {
    nothing_lost 101 -u linger_limits burst
    asserts 'all(e["action"] == "lingering" or e["note"] == "lot-full" for e in closes)' \
        'summaries[0]["actions"]["lingering"] + summaries[0]["actions"]["drained"] == 101'
}

# ---- Every number ------------------------------------------------------------------------------------------

@test "a program that closes every number before its first connection" {
    all_arrives 10 linger_limits closes-all-first
}

@test "a program that closes every number between connections" {
    local by
    for by in close syscall range from; do
        nothing_lost 20 linger_limits closes-all-by-$by
    done
}

@test "a program that closes every number by close or syscall: all the others still linger" {
    linger linger linger_limits closes-all-by-close
    asserts 'all(e["action"] == "lingering" for e in closes)'
    linger linger linger_limits closes-all-by-syscall
    asserts 'all(e["action"] == "lingering" for e in closes)'
}

@test "children that close every number and go on accepting" {
    all_arrives 45 linger_limits child-closes-all
}

@test "a program that gives every number to something else" {
    nothing_lost 15 linger_limits takes-every-number
}

@test "a program that gives every number to a socket: nothing of ours comes there" {
    nothing_lost 10 linger_limits takes-every-number-for-sockets
    same 'in the program'\''s own socket: -1' "$(of_program linger | head -n 1)"
}

# ---- Places --------------------------------------------------------------------------------------------------

@test "no /proc" {
    all_arrives 5 -n linger_limits plain
}

@test "a user without rights" {
    all_arrives 5 -u linger_limits plain
}

@test "chroot while connections linger" {
    EMPTY_PLACE=$BATS_TEST_TMPDIR all_arrives 10 linger_limits chroot
}
