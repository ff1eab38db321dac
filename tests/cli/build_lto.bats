#!/usr/bin/env bats
# The flag that some distributions build all packages with.
#
# Takes long: a build

load ../support/helper

@test "with -flto in CFLAGS: builds and passes its tests" {
    "$top/scripts/matrix" --quick lto >&2
}
