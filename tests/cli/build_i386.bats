#!/usr/bin/env bats
# i386: the library is built for it, passes tests there, and mends what 32-bit programs do.
#
# Takes long: a build

load ../support/helper
load build

@test "it builds, passes its tests, and mends a 32-bit server" {
    built i386-glibc-gcc
    mended i386-glibc-gcc
}

@test "beside the usual build it is used for 32-bit programs" {
    cd "$BATS_TEST_TMPDIR"
    lib=$(dirname "$(realpath /lib/ld-linux.so.2)")
    fits i386-glibc-gcc "${lib#/usr}" gcc -m32
}
