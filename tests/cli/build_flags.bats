#!/usr/bin/env bats
# The flags that packagers build with.
#
# Takes long: two builds

load ../support/helper

@test "hardened as Debian does it: builds and passes its tests" {
    "$top/scripts/matrix" --quick hardening >&2
}

@test "with -flto in CFLAGS: builds and passes its tests" {
    "$top/scripts/matrix" --quick lto >&2
}
