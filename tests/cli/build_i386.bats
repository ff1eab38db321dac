#!/usr/bin/env bats
# i386: the library is built for it, passes tests there, and mends what 32-bit programs do.
#
# Takes long: a build

load ../support/helper
load build

with_i386=$top/scripts/with-i386

# There no process shares another's memory, so nothing lingers; all else is as it must be.
mended_in_qemu()
{
    cd "$builds/$1" || return
    run -1 "$with_i386" demo/run
    same 'demo/run: 3 things in these 13 rows are not as they should be' \
        "$(grep '^demo/run' <<<"$output" | grep -v '^demo/run: late data, linger: ')"
}

@test "it builds, passes its tests, and mends a 32-bit server" {
    built i386-glibc-gcc
    if "$with_i386" --emulated; then
        mended_in_qemu i386-glibc-gcc
    else
        mended i386-glibc-gcc
    fi
}

@test "beside the usual build it is used for 32-bit programs" {
    cd "$BATS_TEST_TMPDIR"
    lib=$(dirname "$(realpath /lib/ld-linux.so.2)")
    by=("$with_i386")
    fits i386-glibc-gcc "${lib#/usr}" gcc -m32
}
