#!/usr/bin/env bats
# A server with threads that answers early, whatever it may know of its own threads, beside a busy process:
# with 1, 10 and 40 clients at a time no close resets because of unread data.

# Takes long

load ../support/helper

# crowd MODE CLASS CLIENTS CLOSES [late]: what is said is in $output.
crowd()
{
    local library=$LIBSAFECLOSE log=$BATS_TEST_TMPDIR/log
    [[ $1 != bare ]] || library=''
    # For a server that is to be nobody.
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
    rm -f "$log"
    install -m 666 /dev/null "$log"
    output=$(LIBSAFECLOSE=$library SAFECLOSE_MODE=$1 SAFECLOSE_LOG=$log \
        timeout 60 "$programs/calls_crowd" "${@:2}" 3>&-) || fail "$*" "$output" "$(tail -n 3 "$log")"
}

# A few clients may be late by themselves, whose data then arrive after the end of a drained connection.
drained()
{
    crowd drain "$@"
    matches "^([0-9]+) of $3 whole"$'\n'"resets for unread data 0$" "$output" || fail "drain $*"
    ((BASH_REMATCH[1] >= $3 * 95 / 100)) || fail "drain $*" "$output"
}

lingered()
{
    crowd linger "$@" late
    same "$3 of $3 whole"$'\nresets for unread data 0' "$output" || fail "linger $*"
}

mends()
{
    crowd bare "$1" 10 40
    same $'0 of 40 whole\nresets for unread data 40' "$output"
    drained "$1" 1 60
    drained "$1" 10 200
    drained "$1" 40 200
    lingered "$1" 1 60
    lingered "$1" 10 200
    lingered "$1" 40 200
}

@test "as it was started: every answer arrives" {
    mends plain
}

@test "after setuid, when it may not look into its own threads: every answer arrives" {
    mends setuid
}

@test "not dumpable: every answer arrives" {
    mends undumpable
}

@test "after setuid, but dumpable again: every answer arrives" {
    mends setuid-dumpable
}

@test "in a chroot without /proc: every answer arrives" {
    mends chroot
}
