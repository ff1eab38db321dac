#!/usr/bin/env bats
# The flags that Debian's packagers harden with.
#
# Takes long: a build

load ../support/helper

@test "hardened as Debian does it: builds and passes its tests" {
    "$top/scripts/matrix" --quick hardening >&2
}
