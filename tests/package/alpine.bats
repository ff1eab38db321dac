#!/usr/bin/env bats
# The recipe of the Alpine package, as far as it can be judged without Alpine.

load ../support/helper

setup()
{
    export BUILD=$BATS_TEST_TMPDIR/build
    "$top/scripts/package/apk" --recipe
    cd "$BUILD/package/alpine" || return
}

# field NAME: what a shell reads in the recipe.
field()
{
    # shellcheck disable=SC2016 # for that shell
    sh -euc '. ./APKBUILD; eval "echo \"\$$1\""' - "$1"
}

@test "a shell reads it, and shellcheck has nothing to say" {
    sh -n APKBUILD
    run ! grep -n '@[A-Z]*@' APKBUILD
    # What is set there is for abuild, which sets what is used.
    shellcheck -s sh -e SC2034,SC2154 APKBUILD
}

@test "it has the version, and the sum of the tarball beside it" {
    same "$("$top/scripts/package/version")" "$(field pkgver)"
    field sha512sums | sed '/^$/d' | sha512sum -c --quiet
    echo >>"$(field source)"
    run ! sha512sum -c --quiet <(field sha512sums | sed '/^$/d')
}

@test "each function that it names for a package is there" {
    for package in $(field subpackages); do
        [[ $package != *:* ]] || same function "$(sh -c '. ./APKBUILD; type "$1"' - "${package#*:}" | grep -ow function)"
    done
    for step in build check package; do
        matches 'function' "$(sh -c '. ./APKBUILD; type "$1"' - "$step")"
    done
}
