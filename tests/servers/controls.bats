#!/usr/bin/env bats
# Programs that close well, in small: what `make controls` does with many connections. And that it would
# find out if one were not as it was.

# Takes long.

load ../support/helper

setup_file()
{
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || skip 'servers run as their own users: run as root'
}

# A program that resets one connection in some hundred by itself, on a busy machine, does so in one run and not
# in another: what differs because of the library differs again. A "d" for each mode that does, a "." else.
compare()
{
    "$top/scripts/controls" --few "$@" >"$BATS_TEST_TMPDIR/table" 2>&1
    sed -n "s/^| $1 |[^|]*|[^|]*|//p" "$BATS_TEST_TMPDIR/table" | sed 's/ as bare |/./g; s/ \*\*differs\*\* |/d/g'
}

as_bare()
{
    local first second
    first=$(compare "$@") || true
    [[ $first != "....." ]] || return 0
    second=$(compare "$@") || true
    [[ $first$second =~ ^[.d]{10}$ ]] || fail "did not run:" "$(<"$BATS_TEST_TMPDIR/table")"
    for ((i = 0; i < 5; i++)); do
        [[ ${first:i:1}${second:i:1} != dd ]] || fail "not as bare:" "$(<"$BATS_TEST_TMPDIR/table")"
    done
}

@test "nginx is as bare in every mode" {
    as_bare nginx
}

@test "lighttpd is as bare in every mode" {
    as_bare lighttpd
}

@test "vsftpd is as bare in every mode" {
    as_bare vsftpd_clients
}

@test "a library that resets is found out" {
    LIBSAFECLOSE=$programs/controls_resetting_lib.so run -1 "$top/scripts/controls" --few nginx
    matches '\*\*differs\*\* \| \*\*differs\*\*' "$output"
    matches 'nginx, linger: resets_alone: .* sent=2' "$output"
}
