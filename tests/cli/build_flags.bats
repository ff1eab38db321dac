#!/usr/bin/env bats
# The flags that packagers build with, and that what is built does not depend on where.
#
# Takes long: some five builds

load ../support/helper

# The sources, in a folder of this name.
@test "hardened as Debian does it: builds and passes its tests" {
    "$top/scripts/matrix" --quick hardening >&2
}

@test "with -flto in CFLAGS: builds and passes its tests" {
    "$top/scripts/matrix" --quick lto >&2
}
