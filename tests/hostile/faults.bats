#!/usr/bin/env bats
# Every system call of the library may fail (tests/hostile/faults.table). Here each call site fails once, with
# one of its errnos and in one mode; make faults has all of them.
#
# Takes long: about half a minute

load ../support/helper

setup()
{
    export LIBSAFECLOSE=${BUILD:-$top/build}/plain/libsafeclose.so
}

@test "the table has a row for each system call that the library makes" {
    "$BATS_TEST_DIRNAME/faults.py" --check
}

@test "a call that fails changes nothing that the program sees, but that a remedy is missing" {
    "$BATS_TEST_DIRNAME/faults.py" --short
}
