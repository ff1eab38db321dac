# shellcheck shell=bash
# Playing the programs of linger_exit, linger_limits and linger_process with their peers. Load it behind
# helper.

log=$BATS_TEST_TMPDIR/events
# Nothing here is to depend on how fast anything is: what is parked stays, and who waits, waits, until the
# peer is done.
export SAFECLOSE_LINGER_IDLE=90s SAFECLOSE_LINGER_TIME=90s
export SAFECLOSE_EXIT_WAIT=${SAFECLOSE_EXIT_WAIT-90s}
# shellcheck disable=SC2154 # $programs is the helper's

# linger MODE [OPTION...] PROGRAM SCENE: what program and peer (linger_process_peer) say is in the file
# $BATS_TEST_TMPDIR/MODE, the library's events in $log. MODE "bare" is no library at all.
linger()
{
    local mode=$1 library=$LIBSAFECLOSE options arguments
    take_options "${@:2}"
    [[ $mode != bare ]] || library=''
    # For a user who could not create it.
    rm -f "$log"
    install -m 666 /dev/null "$log"
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    LIBSAFECLOSE=$library SAFECLOSE_MODE=$mode SAFECLOSE_LOG=$log \
        timeout 110 "$programs/linger_process_peer" "${options[@]}" "$programs/${arguments[0]}" "${arguments[@]:1}" \
        >"$BATS_TEST_TMPDIR/$mode" 2>"$BATS_TEST_TMPDIR/$mode.stderr" 3>&- ||
        fail "mode $*" "$(cat "$BATS_TEST_TMPDIR/$mode" "$BATS_TEST_TMPDIR/$mode.stderr")"
}

# The program's own lines in a run; and the peers' verdict.
of_program()
{
    grep -Ev '^(whole|resets) ' "$BATS_TEST_TMPDIR/$1"
}

of_peers()
{
    grep -E '^(whole|resets) ' "$BATS_TEST_TMPDIR/$1" | paste -sd ' '
}

# plays_both [OPTION...] PROGRAM SCENE: bare, where some connections must be reset, and in mode linger.
plays_both()
{
    linger bare "$@"
    linger linger "$@"
    same "$(of_program bare)" "$(of_program linger)"
    [[ $(of_peers bare) != *'resets 0,'* ]] || fail "no reset without the library: $*"
}

# all_arrives COUNT [OPTION...] PROGRAM SCENE: bare, some of so many connections lose output to a reset; in
# mode linger every peer gets every byte, nobody is sent a reset, and the program sees what it sees bare.
all_arrives()
{
    plays_both "${@:2}"
    arrived "$1"
}

# arrived COUNT: what the last run in mode linger showed.
arrived()
{
    same "whole $1 of $1 resets 0, for unread data 0" "$(of_peers linger)" ||
        fail "$(cat "$BATS_TEST_TMPDIR/linger.stderr")" "$(nstat -as 'TcpExtTCPAbort*' TcpOutRsts)" "$(tail -n 20 "$log")"
}

# output_arrives COUNT [OPTION...] PROGRAM SCENE: likewise, but what a peer sends behind the end of what it reads may be
# answered with a reset: a process that ends waits for nothing but its output.
output_arrives()
{
    local lost
    plays_both "${@:2}"
    matches "^whole [0-9]+ of $1 " "$(of_peers linger)"
    lost=$(grep '^peer ' "$BATS_TEST_TMPDIR/linger.stderr" |
        grep -Ev '^peer [0-9]+: ([0-9]+) of \1 bytes, right, ' || true)
    same '' "$lost"
}
