#!/usr/bin/env bats
# The version, the changelog and the tarball of the sources.

load ../support/helper

setup()
{
    cd "$BATS_TEST_TMPDIR" || return
}

# dist FOLDER: the tarball of the sources there.
dist()
{
    BUILD=$1/build "$1/scripts/package/dist"
}

# Unpacks the tarball of what is tested here into FOLDER.
unpack()
{
    mkdir -p "$1"
    BUILD=$BATS_TEST_TMPDIR/first "$top/scripts/package/dist" >/dev/null
    tar -C "$1" --strip-components=1 --no-same-permissions -xzf "$BATS_TEST_TMPDIR"/first/package/*.tar.gz
}

# Makes a git checkout of FOLDER, whose commit is the same wherever that is.
commit()
{
    local git=(git -C "$1" -c user.name=tester -c user.email=tester@example.org)
    "${git[@]}" init -q
    "${git[@]}" add -A
    GIT_COMMITTER_DATE='@1000000000 +0000' "${git[@]}" commit -qm sources
}

@test "the command, the changelog and the tarball's name have the one version" {
    version=$("$top/scripts/package/version")
    same "safeclose $version" "$("$top/safeclose" --version)"
    same "## $version, " "$(grep -m 1 -oE '^## [^,]*, ' "$top/scripts/package/CHANGELOG.md")"
    same "$PWD/build/package/safeclose-$version.tar.gz" "$(BUILD=$PWD/build "$top/scripts/package/dist")"
}

@test "a version that the changelog doesn't begin with is refused" {
    unpack copy
    sed -i 's/^\(#define SAFECLOSE_VERSION\) .*/\1 "0.99.0"/' copy/shim/settings/config.h
    run -1 --separate-stderr dist copy
    same '' "$output"
    matches '^scripts/package/version: unable to find 0\.99\.0 at the top of [^ ]*: "[0-9.]*" stands there$' "$stderr"
}

@test "the same sources give the same bytes, in another folder and under another umask" {
    unpack one
    (umask 077 && unpack another/folder)
    touch another/folder/scripts/lint
    commit one
    (umask 077 && commit another/folder)
    same "$(stat -c %a one/Makefile)" 644
    same "$(stat -c %a another/folder/Makefile)" 600
    cmp "$(dist one)" "$(umask 077 && dist "$PWD/another/folder")"
}

@test "an unpacked tarball gives the same tarball again" {
    unpack again
    run -0 dist again
    cmp "$output" first/package/*.tar.gz
}

@test "the tarball holds what git tracks, and nothing that lies about" {
    unpack one
    mkdir one/.ci
    touch one/.ci/run one/.gitignore
    commit one
    touch one/left-over one/shim/left-over.c
    tar -tzf "$(dist one)" | sed 's,^[^/]*/,,' | sort >listed
    git -C one ls-files | grep -vxE '\.ci/.*|\.gitignore' | sort >tracked
    run -0 diff tracked listed
}

@test "a time that is no number is refused" {
    SOURCE_DATE_EPOCH=yesterday run -1 --separate-stderr dist "$top"
    same 'scripts/package/dist: unable to use SOURCE_DATE_EPOCH=yesterday: must be a number of seconds' "$stderr"
}
