#!/usr/bin/env bats
# `make bench` prints what it is asked for. No test says how long anything takes: machines differ, and so do
# their days.

load ../support/helper

bench()
{
    BUILD=$(dirname "$programs") run "$top/scripts/bench" "$@"
}

@test "a short run measures the rows that were chosen, and names all others" {
    bench --quick --row size --row source
    [ "$status" -eq 0 ] || fail "$output"
    grep -Eq '^size .* B +(ok|over)' <<<"$output" || fail "no figure for size: $output"
    grep -Eq '^source-all .* lines +(ok|over)' <<<"$output" || fail "no figure for source-all: $output"
    for name in $("$top/scripts/bench" --list); do
        grep -qw -e "$name" <<<"$output" || fail "$name is not named: $output"
    done
}

@test "the same in Markdown" {
    bench --quick --markdown --row size
    [ "$status" -eq 0 ] || fail "$output"
    grep -Eq '^\| size \| .* \| [0-9]+ B \| (ok|over) \|$' <<<"$output" || fail "$output"
}

# refuses TEXT ARGUMENT...
refuses()
{
    bench "${@:2}"
    [ "$status" -eq 1 ] || fail "$* ended with $status: $output"
    [ "$output" = "scripts/bench: unable to $1" ] || fail "$output"
}

@test "bad arguments are refused with the reason" {
    refuses 'find a row called "siz": try --list' --row siz
    refuses 'use --row: it needs a value' --row
    refuses 'use "0" for --rounds: allowed is 1 to 99999' --rounds 0
    refuses 'use "many" for --rounds: allowed is 1 to 99999' --rounds many
    refuses 'understand "--fast": try --help' --fast
}

@test "without the library it says what is missing" {
    LIBSAFECLOSE=/nowhere/lib.so refuses 'read /nowhere/lib.so: no such file (make builds it)' --row size
}
