#!/usr/bin/env bats
# Programs that close well, in small: what `make controls` does with many connections. And that it would
# find out if one were not as it was.

# Takes long.

load helper

setup_file()
{
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || skip 'servers run as their own users: run as root'
}

as_bare()
{
    "$top/scripts/controls" --few "$@" >"$BATS_TEST_TMPDIR/table" 2>&1 ||
        fail "not as bare:" "$(<"$BATS_TEST_TMPDIR/table")"
    matches "as bare \\| as bare \\| as bare \\| as bare \\| as bare \\|" "$(<"$BATS_TEST_TMPDIR/table")"
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
