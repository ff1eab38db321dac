#!/usr/bin/env bats
# musl: the library is built for it, passes tests there, and mends what its programs do.
#
# Takes long: a build

load ../support/helper
load build

@test "it builds, passes its tests, and mends a musl server" {
    built x86-64-musl-gcc
    mended x86-64-musl-gcc
}

@test "a child of glibc starts, and the library does nothing in it" {
    run -0 env LD_PRELOAD="$builds/x86-64-musl-gcc/libsafeclose.so" SAFECLOSE_MODE=nonsense sh -c 'echo works'
    same works "$output"
}

@test "beside the usual build it is used for musl programs" {
    cd "$BATS_TEST_TMPDIR"
    fits x86-64-musl-gcc /lib/x86_64-linux-musl musl-gcc
}
