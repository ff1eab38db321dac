# shellcheck shell=bash
# The library with sanitizers, for whoever plays attack.py. $top is the repository.

# find_runtimes: what must be preloaded before it is in $runtimes. Fails where gcc has none.
find_runtimes()
{
    local runtime
    runtimes=''
    for runtime in libasan.so libubsan.so; do
        runtime=$(gcc -print-file-name="$runtime")
        [[ $runtime == /* ]] || return 1
        runtimes+=${runtimes:+:}$runtime
    done
}

# sanitized LIBRARY: builds it there.
sanitized()
{
    local sources
    # shellcheck disable=SC2154 # $top is the caller's
    mapfile -t sources < <(find "$top/shim" -name '*.c')
    # No red zones in frames: a fork child has a copy of those of its parent's lot, on whose stack it may
    # start its own, and nobody tells AddressSanitizer that they are over.
    gcc -std=gnu11 -O0 -g -fsanitize=address,undefined --param asan-stack=0 -fno-sanitize-recover=all -fPIC \
        -fvisibility=hidden -fno-strict-aliasing -I"$top/shim" -shared -o "$1" "${sources[@]}" \
        -Wl,--version-script="$top/shim/libsafeclose.map" -Wl,-z,now,-z,nodelete
}
