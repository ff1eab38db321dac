#!/usr/bin/env bats
# arm64: the library is built for it on another machine, and passes tests in an emulator.
#
# Takes long: a build

load ../support/helper
load build

@test "it builds without running what it builds, and passes its tests in an emulator" {
    built arm64-glibc-gcc
    matches 'X86-64' "$(readelf -h "$builds/arm64-glibc-gcc/build/scripts/tables")"
    matches 'AArch64' "$(readelf -h "$builds/arm64-glibc-gcc/libsafeclose.so")"
}
