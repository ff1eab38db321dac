# shellcheck shell=bash
# Playing the owner_* programs bare and with the library in front, for the bats files that prove who
# may touch a connection. Load it behind helper.

log=$BATS_TEST_TMPDIR/events
# shellcheck disable=SC2154 # $programs is the helper's

# played MODE [OPTION...] PROGRAM ARG...: the program with its peer (owner_peer); what both said is in
# the file $BATS_TEST_TMPDIR/MODE, the library's events in $log. MODE "bare" is no library at all. Where
# $knowable is set the library is to find out who holds what, and gets five tries at it.
played()
{
    local mode=$1 library=$LIBSAFECLOSE options arguments
    take_options "${@:2}"
    [[ $mode != bare ]] || library=''
    ${knowable:+until_known "$log"} play_owner "${arguments[@]}"
}

play_owner()
{
    rm -f "$log"
    LIBSAFECLOSE=$library SAFECLOSE_MODE=$mode SAFECLOSE_LOG=${SAFECLOSE_LOG-$log} \
        timeout 80 "$programs/owner_peer" "${options[@]}" "$programs/$1" "${@:2}" \
        >"$BATS_TEST_TMPDIR/$mode" 2>"$BATS_TEST_TMPDIR/stderr" 3>&- ||
        fail "mode $mode: $*" "$(cat "$BATS_TEST_TMPDIR/$mode" "$BATS_TEST_TMPDIR/stderr")"
}

# as_bare MODE... -- [OPTION...] PROGRAM ARG...: the same is said in each mode as without the library,
# by the holder of what it read, by the peer, and by the kernel of its resets.
as_bare()
{
    local modes=() mode
    while [[ $1 != -- ]]; do
        modes+=("$1")
        shift
    done
    shift
    played bare "$@"
    for mode in "${modes[@]}"; do
        played "$mode" "$@"
        diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/$mode" >"$BATS_TEST_TMPDIR/diff" ||
            fail "mode $mode is not as bare (<): $*" "$(<"$BATS_TEST_TMPDIR/diff")" "$(grep -hs drained "$log")"
    done
}

# Nobody may be able to tell that the library is there.
never_touched()
{
    as_bare off log warn drain -- "$@"
}

# The modes that promise to change nothing; the last one leaves its log to look at.
unchanged()
{
    as_bare off warn log -- "$@"
}

# drained PROGRAM SCENE LINE...: what is said in mode drain.
drained()
{
    played drain "$1" "$2"
    same "$(printf '%s\n' "${@:3}")" "$(<"$BATS_TEST_TMPDIR/drain")"
}
