#!/usr/bin/env bats
# The Debian packages: built by one command, installed, used and purged.
# Takes long.

load ../support/helper

setup_file()
{
    BUILD=$BATS_FILE_TMPDIR/build "$top/scripts/package/deb" --no-lintian 3>&- >&2
}

setup()
{
    packages=$BATS_FILE_TMPDIR/build/package/deb
    cd "$BATS_TEST_TMPDIR" || return
}

# installs PACKAGE: the files of PACKAGE, with their rights.
installs()
{
    dpkg-deb -c "$packages/$1"_*.deb | awk '$1 !~ /^d/ { print $1, substr($6, 2) }' | grep -vE '/usr/share/(doc|lintian)/'
}

@test "the library's package holds the library where the loader looks for it, and nothing else" {
    same "-rw-r--r-- /usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/libsafeclose.so" "$(installs libsafeclose)"
    same same "$(dpkg-deb -f "$packages"/libsafeclose_*.deb Multi-Arch)"
}

@test "the command's package holds the command, both man pages and the completions" {
    same '-rwxr-xr-x /usr/bin/safeclose
-rw-r--r-- /usr/share/bash-completion/completions/safeclose
-rw-r--r-- /usr/share/man/man1/safeclose.1.gz
-rw-r--r-- /usr/share/man/man7/libsafeclose.7.gz
-rw-r--r-- /usr/share/zsh/vendor-completions/_safeclose' "$(installs safeclose)"
    version=$(dpkg-deb -f "$packages"/libsafeclose_*.deb Version)
    matches "^libsafeclose \(= $version\)" "$(dpkg-deb -f "$packages"/safeclose_*.deb Depends)"
    matches "^$("$top/scripts/package/version")-" "$version"
}

@test "what is packaged is stripped; what debuggers need is in packages of its own" {
    for package in libsafeclose safeclose; do
        dpkg-deb -x "$packages/$package"_*.deb root
        file=$(find root -name libsafeclose.so -o -path '*/bin/safeclose')
        run ! grep -F '.debug_info' <(readelf -SW "$file")
        id=$(readelf -n "$file" | sed -n 's/.*Build ID: //p')
        dpkg-deb -c "$packages/$package"-dbgsym_*.deb | grep -qF "${id:0:2}/${id:2}.debug"
        rm -r root
    done
}

# hardened FILE: position-independent, relocations read-only before it starts, checked copies and frames.
hardened()
{
    matches 'Type: +DYN' "$(readelf -hW "$1")"
    matches 'GNU_RELRO' "$(readelf -lW "$1")"
    matches 'FLAGS_1\) +Flags: NOW' "$(readelf -dW "$1")"
    matches '__memcpy_chk' "$(readelf -W --dyn-syms "$1")"
    matches '__stack_chk_fail' "$(readelf -W --dyn-syms "$1")"
}

@test "library and command are hardened as Debian's packages are" {
    for package in libsafeclose safeclose; do
        dpkg-deb -x "$packages/$package"_*.deb root
        dpkg-deb -x "$packages/$package"-dbgsym_*.deb debug
    done
    hardened root/usr/lib/*/libsafeclose.so
    hardened root/usr/bin/safeclose
    matches 'FLAGS_1\) .* PIE' "$(readelf -dW root/usr/bin/safeclose)"
    # Each unit's compiler, with its flags. -fstack-protector-strong is the last of its kind.
    find debug -name '*.debug' -exec readelf --debug-dump=info {} + | sed -n 's/.*DW_AT_producer *:.*: //p' | sort -u >producers
    matches 'GNU C' "$(cat producers)"
    same '' "$(sed 's/.*-fstack-protector/-fstack-protector/' producers | grep -v '^-fstack-protector-strong ')"
}

@test "the hardened library passes tests" {
    dpkg-deb -x "$packages"/libsafeclose_*.deb root
    LIBSAFECLOSE=$(echo "$PWD"/root/usr/lib/*/libsafeclose.so) "$top/tests/run" close.bats 3>&- >&2
}

@test "installed it works, by the command and by the library's name alone, and the purge leaves nothing" {
    BUILD=$BATS_FILE_TMPDIR/build run -0 "$top/scripts/package/try-deb"
    matches '^installed, used and purged: ' "$output"
}

@test "a package that leaves something behind is found out" {
    mkdir -p other/package/deb
    cp "$packages"/*.deb other/package/deb
    dpkg-deb -R "$packages"/libsafeclose_*.deb unpacked
    printf '#!/bin/sh\ntouch /usr/lib/left-over\n' >unpacked/DEBIAN/postinst
    chmod 755 unpacked/DEBIAN/postinst
    dpkg-deb -b unpacked other/package/deb/libsafeclose_*.deb >/dev/null
    BUILD=$PWD/other run -1 "$top/scripts/package/try-deb"
    same 'scripts/package/try-deb: unable to find nothing after the purge; left, or missing: usr/lib/left-over' "$output"
}
