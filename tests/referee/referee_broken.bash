# A copy of the library with one judgement broken, and the referee that must find out. What is broken is named by
# the line that is replaced, so that a change of the source that moves the line is noticed here.

setup_file()
{
    load ../support/helper
    export source=$BATS_FILE_TMPDIR/source
    mkdir -p "$source/build"
    cp -Rp "$top/Makefile" "$top/shim" "$source"
    # What is built already need not be built again.
    cp -Rp "${BUILD:-$top/build}/shim" "$source/build" || true
    make -s -C "$source" -j2 libsafeclose.so >&2
}

setup()
{
    load ../support/helper
}

# broken FILE OLD NEW: the library with every OLD in shim/FILE replaced by NEW (basic regular
# expressions), which must be there.
broken()
{
    local copy=$BATS_TEST_TMPDIR/broken
    cp -Rp "$source" "$copy"
    sed -i "s/$2/$3/" "$copy/shim/$1"
    if cmp -s "$source/shim/$1" "$copy/shim/$1"; then
        fail "shim/$1 has no line with \"$2\": tell this test what it looks like now"
    fi
    make -s -C "$copy" libsafeclose.so >&2
    export LIBSAFECLOSE=$copy/libsafeclose.so
}

# is_found WORDS [OPTION...]: within some thousand scenarios there are mismatches, one of them of this kind.
is_found()
{
    run -1 "$programs/referee" --count 4000 --stop 12 "${@:2}"
    [[ $output == *"$1"* ]] || fail "nothing about: $1" "$output"
}
