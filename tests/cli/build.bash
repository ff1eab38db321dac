# shellcheck shell=bash
# Builds for other machines and libcs, by scripts/matrix. Load it behind helper.

builds=$BATS_FILE_TMPDIR/builds
# What such programs are started by.
by=()
# shellcheck disable=SC2154 # $top is the helper's

# built ROW: builds it, and has its tests run.
built()
{
    "$top/scripts/matrix" --quick --keep "$builds" "$1" >&2
}

# mended ROW: the demos show in the kernel's counters what each mode does.
mended()
{
    (cd "$builds/$1" && demo/run >&2)
}

# fits ROW PLACE COMPILER...: a program of that compiler needs the build of that row, in this place of PREFIX: the command
# says so while it is missing, and uses it when it is there.
fits()
{
    local prefix=$PWD/prefix build=$builds/$1/libsafeclose.so file=$PWD/prefix$2/libsafeclose.so
    make -s -C "$top" install PREFIX="$prefix" >/dev/null
    echo 'int main(void) { return 0; }' | "${@:3}" -x c -o program -
    run -1 "$prefix/bin/safeclose" check ./program
    matches "do: build the library for it \(make .*\), and install that as $file" "$output"
    run -126 "$prefix/bin/safeclose" run ./program
    install -D "$build" "$file"
    run -0 "$prefix/bin/safeclose" check ./program
    matches "a library for that is installed: $file" "$output"
    run -0 --separate-stderr "${by[@]}" "$prefix/bin/safeclose" run -m linger ./program
    same '' "$stderr"
}
