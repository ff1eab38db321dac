#!/usr/bin/env bats
# In a program with threads a connection is left to whoever is in a call on it, and mended once nobody can
# be. Of the threads that are elsewhere nothing is waited for in close(). Witnesses: what the thread itself
# got, the peer's reads, the kernel's counters.

# Takes long

load ../support/helper
load ../support/owner

# Whoever ends doesn't wait for the peers, except in the tests about that.
export SAFECLOSE_EXIT_WAIT=0

# theirs SCENE [nobody]: what threads in a call get, and their peer, is the same in each mode that acts.
theirs()
{
    as_bare drain linger -- calls "$@"
}

# mended SCENE [nobody] -- LINE...: bare there is a reset, in each mode that acts LINE... is said.
mended()
{
    local scene=() mode
    while [[ $1 != -- ]]; do
        scene+=("$1")
        shift
    done
    shift
    played bare calls "${scene[@]}"
    matches 'ECONNRESET|[1-9][0-9]* reset|[1-9][0-9]* of [0-9]+ connections reset' \
        "$(<"$BATS_TEST_TMPDIR/bare")"
    for mode in drain linger; do
        played "$mode" calls "${scene[@]}"
        same "$mode: $(printf '%s\n' "$@")" "$mode: $(<"$BATS_TEST_TMPDIR/$mode")" ||
            fail "$(tail -n 5 "$log")"
    done
}

all_written=('writer: 20971520 bytes' 'peer read 20971520 bytes, right, then the end'
    'resets for unread data 0')
end=('peer read 0 bytes, right, then the end' 'soon' 'resets for unread data 0')

# told MODE ACTION ENDED_BY PROGRAM SCENE...: the close of unread data and what became of it later.
told()
{
    played "$1" "${@:4}"
    asserts 'len(unread) == 1' "unread[0]['action'] == '$2'" 'unread[0]["outcome"] == "none"' \
        '[e["ended_by"] for e in ends] == ["'"$3"'"]' \
        'all(e["cookie"] == unread[0]["cookie"] for e in ends)'
}

# ---- In a call on it -----------------------------------------------------------------------------------

@test "a blocked reader, nothing unread: it gets what arrives after the close" {
    theirs reader
}

@test "a blocked reader, its number closed, then the other one of the connection: it gets what arrives" {
    theirs reader-by-second-number
}

@test "a reader blocked for 1000 (SO_RCVLOWAT) with 5 unread: it gets all 1000" {
    theirs reader-of-more
}

@test "the same by a number that was closed before" {
    theirs reader-of-more-by-second-number
}

@test "the same when it waits longer than anybody looks: closed untouched, and told" {
    SAFECLOSE_LINGER_IDLE=1s theirs reader-of-more-for-long
    SAFECLOSE_LINGER_IDLE=1s told drain draining in-use calls reader-of-more-for-long
}

@test "the same in a thread that the program made by clone, of which libc knows nothing: it gets all 1000" {
    theirs reader-of-more-in-clone
}

# What is left when it has peeked is nobody's (-q: whether the end resets is not compared).
@test "a reader that peeks until there is more (MSG_PEEK, MSG_WAITALL): it sees all 1000" {
    as_bare drain linger -- -q calls peeker
}

@test "a splice whose pipe is full: what was unread comes through the pipe" {
    theirs splicer
}

@test "a writer blocked with 20 MB and 5 unread: all of them arrive, then the end" {
    mended writer -- "${all_written[@]}"
}

@test "a writer blocked in io_submit, whose first argument looks like a number: all 20 MB arrive" {
    theirs submitter
}

@test "exit(7) lingers while a thread writes on, SIGPIPE as by default: it is the status" {
    SAFECLOSE_EXIT_WAIT=1s theirs exit-beside-writer
}

# none_cut_off MODE UNREAD: in ten seconds. All of them have to get through, and to the peer.
none_cut_off()
{
    local said
    said=$(SAFECLOSE_MODE=$1 SAFECLOSE_LOG=none timeout 60 "$programs/calls_cut" 10 "$2" 3>&-)
    matches "^([0-9]+) connections"$'\n'"0 writers cut off"$'\n'"([0-9]+) whole$" "$said"
    same "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    ((BASH_REMATCH[1] >= 300)) || fail "only ${BASH_REMATCH[1]} connections"
}

# Some hundred are cut off where one look at the kernel's list of threads is taken for a proof.
@test "thousands of blocked writers while older threads end: none is cut off" {
    none_cut_off linger 0
}

@test "the same with 5 unread: none is cut off, and each is mended" {
    none_cut_off drain 5
    none_cut_off linger 5
}

# ---- Elsewhere -----------------------------------------------------------------------------------------

@test "beside threads in all kinds of calls on something else: mended" {
    mended elsewhere -- "${end[@]}"
}

@test "beside four threads that never make a call: mended" {
    mended busy -- "${end[@]}"
}

@test "beside 200 idle threads: mended" {
    mended idle -- "${end[@]}"
}

@test "the close tells draining, and later what came of it" {
    told drain draining drained calls busy
    asserts '[e["outcome"] for e in ends] == ["fin"]'
}

@test "beside a thread that was cancelled in a call on it just before: mended" {
    mended cancelled -- '20 connections, 0 reset, 0 late' 'resets for unread data 0'
}

@test "the number is another's by now, in which a thread is blocked: mended at once, nothing is taken" {
    mended reused-number -- '20 connections, 0 reset, 0 late' \
        '20 of 20 got what came on the new one' 'resets for unread data 0'
}

@test "in an epoll set that it can't be taken out of: left as it is, and told" {
    theirs in-epoll-set
    asserts 'unread[0]["note"] == "epoll"' 'unread[0]["action"] == "passed"'
}

@test "a signal handler that closes in the middle of a close: all are mended" {
    mended interrupted -- '0 of 200 connections reset' 'resets for unread data 0'
}

@test "a handler between handing over and the real close, whose calls close nothing: nothing is taken" {
    local scene library=$LIBSAFECLOSE
    for scene in handler-dup2 handler-close_range; do
        LIBSAFECLOSE=$library:$programs/calls_handler_lib.so drained calls "$scene" \
            'reader: 5 bytes, right, no error' 'peer read 0 bytes, right, then the end' \
            'resets for unread data 0'
    done
}

# ---- After setuid --------------------------------------------------------------------------------------

# The kernel lets such a process see where its threads sleep, but not in which call on which number.

@test "after setuid, blocked readers: they get what was and what arrives" {
    local scene
    for scene in reader reader-by-second-number reader-of-more reader-of-more-by-second-number; do
        theirs "$scene" nobody
    done
}

@test "after setuid, a reader that peeks until there is more: it sees all 1000" {
    as_bare drain linger -- -q calls peeker nobody
}

@test "after setuid, a splice whose pipe is full: what was unread comes through the pipe" {
    theirs splicer nobody
}

@test "after setuid, a writer blocked with 20 MB and 5 unread: all of them arrive, then the end" {
    mended writer nobody -- "${all_written[@]}"
}

@test "after setuid, beside threads in all kinds of calls on something else: mended" {
    mended elsewhere nobody -- "${end[@]}"
}

@test "after setuid, beside four threads that never make a call: mended" {
    mended busy nobody -- "${end[@]}"
}

@test "after setuid, beside 200 idle threads: mended" {
    mended idle nobody -- "${end[@]}"
}

# ---- Beside a fork child -------------------------------------------------------------------------------

@test "closed in a parent with threads, then by its fork child: mended" {
    mended parent-then-child -- "${end[@]}"
}

@test "closed by the fork child, then in the parent with threads: mended" {
    mended child-then-parent -- "${end[@]}"
}

@test "SO_LINGER of a connection that a fork child holds too stays as it was set" {
    theirs lingering-child
}

@test "beside a fork child, its port not in SAFECLOSE_PORTS: as without the library, and nothing told" {
    local mode
    export SAFECLOSE_PORTS=1
    for mode in drain linger; do
        as_bare "$mode" -- calls reader-beside-child
        asserts 'closes == []' 'all(e["event"] != "linger-end" for e in events)'
    done
}

# ---- In close() itself -----------------------------------------------------------------------------------

# fewest_switches MODE: of three runs.
fewest_switches()
{
    local i least='' n
    for i in 1 2 3; do
        SAFECLOSE_LOG=none played "$1" -q calls_cost switches
        read -r n _ <"$BATS_TEST_TMPDIR/$1"
        [[ -n $least ]] && ((least <= n)) || least=$n
    done
    echo "$least"
}

@test "beside 16 busy threads: close() goes to sleep as seldom as without the library" {
    local mode bare
    bare=$(fewest_switches bare)
    for mode in log warn drain linger; do
        n=$(fewest_switches "$mode")
        ((n <= bare)) || fail "$mode: $n, without the library $bare"
    done
}
