#!/usr/bin/env bats
# Kernels that lack what the library would like to use (older.c): the program's closes are told and mended as far as
# that goes, by the kernel's own count of resets.

load ../support/helper

setup()
{
    log=$BATS_TEST_TMPDIR/log
}

# lacking LACK MODE: five connections closed unread; how many of them the kernel reset is in $resets.
lacking()
{
    rm -f "$log"
    resets=$(SAFECLOSE_LOG=$log SAFECLOSE_FORMAT=json counted TCPAbortOnClose \
        "$programs/older" "$1" env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$2" "$speaker" unread:5 3>&-)
}

# without_it LACK: in each mode.
without_it()
{
    lacking "$1" log
    same 5 "$resets"
    asserts 'len(unread) == 5' "all(e['outcome'] == 'rst' for e in unread)"
    lacking "$1" drain
    same 0 "$resets"
    asserts 'len(unread) == 5' "all(e['outcome'] == 'fin' for e in unread)"
    lacking "$1" linger
    same 0 "$resets"
    asserts 'len(unread) == 5' "all(e['action'] in ('lingering', 'drained') for e in unread)"
}

# confirms TRUTH: whether the kernel said what became of the closes of the last run.
confirms()
{
    asserts "all(e['confirmed'] is $1 for e in unread)"
}

lingers()
{
    asserts "all(e['action'] == '$1' for e in unread)"
}

@test "with all there is, what follows is measured against" {
    without_it nothing
    confirms True
    lingers lingering
}

@test "without SO_MEMINFO (Linux 4.12) each close takes the longer way" {
    without_it SO_MEMINFO
    confirms True
    lingers lingering
}

@test "without SO_COOKIE (Linux 4.12) nothing lingers, and is drained" {
    without_it SO_COOKIE
    lingers drained
}

@test "without sock_diag the outcome is the verdict's" {
    without_it sock_diag
    lingers lingering
    lacking sock_diag drain
    confirms False
}

@test "without close_range (Linux 5.9) nothing lingers, and is drained" {
    without_it close_range
    lingers drained
}

@test "without SIOCOUTQNSD" {
    without_it SIOCOUTQNSD
    lingers lingering
}

@test "without a thread that has a descriptor table of its own nothing lingers, and is drained" {
    without_it private-table
    lingers drained
}

@test "without pidfd (Linux 5.3)" {
    without_it pidfd
    lingers lingering
}

@test "without statx (Linux 4.11)" {
    without_it statx
    lingers lingering
}

@test "without pwritev2 (Linux 4.6) events are written to a pipe all the same" {
    without_it pwritev2
    run -0 --separate-stderr "$programs/older" pwritev2 env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=log \
        SAFECLOSE_LOG=stderr "$speaker" unread:5
    same 5 "$(grep -c ' RST \[unread-data\]' <<<"$stderr")"
}

@test "without MADV_WIPEONFORK (Linux 4.14) nothing lingers, and is drained" {
    without_it WIPEONFORK
    lingers drained
}

@test "without any of them" {
    without_it all
    confirms False
    lingers drained
}
