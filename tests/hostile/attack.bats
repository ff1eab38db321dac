#!/usr/bin/env bats
# A server that its own children attack, as another user: they write into whatever memory they share with it and
# send whatever they can over every UNIX socket that they have. attack.py has the verdict; scripts/attack plays
# it for longer. What was played can be played again with the seed that it says.
#
# Runs alone: honest clients must be served in time.

load ../support/helper
load attack

setup_file()
{
    # Meanwhile the other tests wait more than they work.
    (
        find_runtimes && sanitized "$BATS_FILE_TMPDIR/new.so" && mv "$BATS_FILE_TMPDIR/new.so" \
            "$BATS_FILE_TMPDIR/sanitized.so"
        touch "$BATS_FILE_TMPDIR/over"
    ) >"$BATS_FILE_TMPDIR/build" 2>&1 3>&- &
}

# attack SECONDS OPTION...
attack()
{
    timeout 60 /usr/bin/python3 "$BATS_TEST_DIRNAME/attack.py" --seconds "$@" 2>&1 3>&-
}

# withstood SECONDS OPTION... Whose a connection is that parent and child both hold is kept in memory that an
# attacker may write to as well: that it is taken from the child is told, and no failure here.
withstood()
{
    local status=0 said
    ((EUID == 0)) || skip 'needs root, to drop its rights'
    said=$(attack "$@" --tolerate stolen) || status=$?
    ((status == 0)) || fail "$said"
}

@test "without lingering the same clients lose a part of their answers" {
    ((EUID == 0)) || skip 'needs root, to drop its rights'
    run attack 1 --calm --mode log
    same 1 "$status"
    [[ $output == *'x client, first in generation 0: '* ]] || fail "$output"
}

@test "without attackers every client is served" {
    withstood 1 --calm
}

@test "attackers: no crash, no hang, no old rights, no descriptor and no lie taken from them" {
    withstood 9
}

@test "the same with AddressSanitizer and UBSan in the library" {
    local runtimes
    find_runtimes || skip 'no runtimes of the sanitizers'
    wait_until test -e "$BATS_FILE_TMPDIR/over"
    [[ -e $BATS_FILE_TMPDIR/sanitized.so ]] || fail "$(<"$BATS_FILE_TMPDIR/build")"
    LIBSAFECLOSE=$BATS_FILE_TMPDIR/sanitized.so withstood 9 --preload "$runtimes"
}
