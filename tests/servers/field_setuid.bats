#!/usr/bin/env bats
# Stock servers with threads, started as root, that drop their rights themselves. Each closes a hundred
# connections with bytes unread (scripts/servers). As is it resets them all. Under drain and under linger
# every client gets every byte, and no reset is sent. The witnesses are what the clients read, and the
# kernel's count in a network namespace of that run alone.

load ../support/helper
load field

setup_file()
{
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || skip 'servers drop their rights: run as root'
    # What is wrong with a result is each test's to say.
    "$top/scripts/servers" --plain --only memcached --only mariadbd --only tinyproxy --only haproxy \
        >"$BATS_FILE_TMPDIR/results" 2>"$BATS_FILE_TMPDIR/errors" 3>&- || true
}

# mends NAME MODE: all that are reset as is.
mends()
{
    local received written end resets
    result_of "$1" 'as is'
    ((resets >= ${least:-100})) || fail "as is there are $resets resets, of 100 connections"
    result_of "$1" "$2"
    same "$written of $written bytes, eof, 0 resets" "$received of $written bytes, $end, $resets resets"
}

@test "memcached -u, drain" { mends memcached drain; }
@test "memcached -u, linger" { mends memcached linger; }
@test "mariadbd --user, drain" { mends mariadbd drain; }
@test "mariadbd --user, linger" { mends mariadbd linger; }
@test "tinyproxy, User, drain" { mends tinyproxy drain; }
@test "tinyproxy, User, linger" { mends tinyproxy linger; }
# Where a client has closed, too, before haproxy does, there is nobody to reset.
@test "haproxy, user, RLIMIT_NPROC 0, drain" { least=50 mends haproxy drain; }
@test "haproxy, user, RLIMIT_NPROC 0, linger" { least=50 mends haproxy linger; }
