#!/usr/bin/env bats
# What a build takes from its environment and leaves to it: flags, the folder it is in, what is installed.

# Takes long: two builds

load ../support/helper

# The sources, in a folder of this name.
copy_to()
{
    mkdir -p "$1"
    (cd "$top" && cp -R Makefile README.md LICENSE shim cli demo man scripts "$1")
}

@test "CFLAGS, CC and LDFLAGS come from the environment, and the limit of the size is then a warning" {
    copy_to "$BATS_TEST_TMPDIR/flags"
    CFLAGS='-O1 -DFROM_OUTSIDE' CC=clang LDFLAGS=-Wl,-z,separate-code run -0 make -C "$BATS_TEST_TMPDIR/flags" V=1 -j2 check
    matches 'clang .*-DFROM_OUTSIDE .*shim/doors/close.c' "$output"
    matches 'clang .*-Wl,-z,separate-code .*-o libsafeclose.so' "$output"
    matches 'warning: more than 131072 bytes' "$output"
    # What is there is not taken for what another compiler makes.
    run -0 make -n -C "$BATS_TEST_TMPDIR/flags" CC=gcc libsafeclose.so
    matches 'gcc .*shim/doors/close.c' "$output"
    run -0 make -q -C "$BATS_TEST_TMPDIR/flags" CC=clang libsafeclose.so
}

@test "two folders give the same bytes" {
    local other=$BATS_TEST_TMPDIR/another/folder file
    copy_to "$other"
    make -s -j2 -C "$other" all >/dev/null
    for file in libsafeclose.so safeclose build/demo/classic_server build/man/safeclose.1 build/cli/completion.bash; do
        cmp "$top/$file" "$other/$file"
    done
}

@test "install-strip installs no symbols for debuggers" {
    cd "$BATS_TEST_TMPDIR"
    run -0 make -C "$top" install-strip DESTDIR="$BATS_TEST_TMPDIR"
    echo "$output" # shown where the test fails
    for file in lib/libsafeclose.so bin/safeclose; do
        readelf -S -W "$BATS_TEST_TMPDIR/usr/local/$file" >sections
        run ! grep -q '\.debug_info\|\.symtab' sections
    done
    "$BATS_TEST_TMPDIR/usr/local/bin/safeclose" run -m log true
}
