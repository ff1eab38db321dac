#!/usr/bin/env bats
# make install and uninstall: what stands where, that it works from there, and that it is gone again;
# and the completions.

# shellcheck disable=SC2016 # much here is for an inner shell

load ../support/helper

setup_file()
{
    make -s -C "$top" install PREFIX="$BATS_FILE_TMPDIR/usr" 3>&- >&2
}

setup()
{
    usr=$BATS_FILE_TMPDIR/usr
    cd "$BATS_TEST_TMPDIR" || return
}

files()
{
    (cd "$1" && find . -type f | sort)
}

@test "install puts everything where it is looked for" {
    same './bin/safeclose
./lib/libsafeclose.so
./share/bash-completion/completions/safeclose
./share/doc/safeclose/LICENSE
./share/doc/safeclose/README.md
./share/man/man1/safeclose.1
./share/man/man7/libsafeclose.7
./share/zsh/site-functions/_safeclose' "$(files "$usr")"
}

@test "the installed command finds the installed library" {
    same "LD_PRELOAD=$usr/lib/libsafeclose.so" "$("$usr/bin/safeclose" run env | grep ^LD_PRELOAD)"
    run -0 "$usr/bin/safeclose" run cat /proc/self/maps
    matches "$usr/lib/libsafeclose.so" "$output"
    PATH=$usr/bin:$PATH run -0 safeclose check cat
    same 1 "$(counted TCPAbortOnClose "$usr/bin/safeclose" run "$programs/speaker" unread 2>/dev/null)"
    same 0 "$(counted TCPAbortOnClose "$usr/bin/safeclose" run -m drain "$programs/speaker" unread 2>/dev/null)"
}

@test "moved as a whole it works" {
    cp -r "$usr" moved
    same "LD_PRELOAD=$PWD/moved/lib/libsafeclose.so" "$(moved/bin/safeclose run env | grep ^LD_PRELOAD)"
}

@test "without its library it says where that should be" {
    cp -r "$usr" moved
    rm moved/lib/libsafeclose.so
    run -125 --separate-stderr moved/bin/safeclose run true
    same "safeclose: unable to find libsafeclose.so: it is neither in $PWD/moved/bin nor in $PWD/moved/lib; install both with: make install" \
        "$stderr"
}

@test "with a library in the directories of both word sizes the loader chooses" {
    own=$(dirname "$(realpath /lib64/ld-linux-x86-64.so.2)")
    other=$(dirname "$(realpath /lib/ld-linux.so.2 2>/dev/null)") || skip 'no loader of another word size here'
    own=${own#/usr} other=${other#/usr}
    cp -r "$usr" moved
    mkdir -p "moved$own" "moved$other"
    mv moved/lib/libsafeclose.so "moved$own"
    # By that alone it is found, too.
    same "LD_PRELOAD=$PWD/moved$own/libsafeclose.so" "$(moved/bin/safeclose run env | grep ^LD_PRELOAD)"
    python3 "$top/tests/cli/cli_elf.py" "moved$other/libsafeclose.so" bits=32 machine=3 interp= soname=libsafeclose.so
    same "LD_PRELOAD=$PWD/moved/\$LIB/libsafeclose.so" "$(moved/bin/safeclose run env | grep ^LD_PRELOAD)"
    run -0 moved/bin/safeclose run cat /proc/self/maps
    matches "$PWD/moved$own/libsafeclose.so" "$output"
    python3 "$top/tests/cli/cli_elf.py" i386 bits=32 machine=3 interp=/lib/ld-linux.so.2
    run -0 moved/bin/safeclose check ./i386
    matches 'for: it is 32-bit i386 with glibc, and a library for that is installed' "$output"
}

@test "where another build is installed, nothing else is to be" {
    cp -r "$usr" moved
    own=$(dirname "$(realpath /lib64/ld-linux-x86-64.so.2)")
    mkdir -p "moved${own#/usr}"
    cp moved/lib/libsafeclose.so "moved${own#/usr}"
    python3 "$top/tests/cli/cli_elf.py" i386 bits=32 machine=3 interp=/lib64/ld-linux-x86-64.so.2
    run -1 moved/bin/safeclose check ./i386
    matches 'do: build the library for it \(make ARCH=i386\), and preload that one' "$output"
}

@test "uninstall leaves no file, and those of others" {
    make -s -C "$top" install PREFIX="$PWD/usr" 3>&- >&2
    touch usr/bin/other usr/share/man/man1/other.1 usr/share/doc/safeclose/changelog
    make -s -C "$top" uninstall PREFIX="$PWD/usr" 3>&- >&2
    same './bin/other
./share/doc/safeclose/changelog
./share/man/man1/other.1' "$(files usr)"
}

@test "a place with a blank in its name is refused" {
    run -2 make -s -C "$top" install DESTDIR="$PWD/my stage"
    matches 'DESTDIR=".*/my stage": must have no blanks' "$output"
    same '' "$(ls)"
}

@test "DESTDIR goes in front of everything" {
    make -s -C "$top" install DESTDIR="$PWD/stage" PREFIX=/opt/safeclose 3>&- >&2
    same "$(files "$usr")" "$(files stage/opt/safeclose)"
    same opt "$(ls stage)"
    make -s -C "$top" uninstall DESTDIR="$PWD/stage" PREFIX=/opt/safeclose 3>&- >&2
    same '' "$(files stage)"
}

# ---- completions -----------------------------------------------------------------------------

# completed WORD...: what bash offers for the last word of "safeclose WORD...", sorted.
completed()
{
    bash -c 'source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _safeclose
        printf "%s\n" "${COMPREPLY[@]}" | sort' - \
        "$usr/share/bash-completion/completions/safeclose" safeclose "$@"
}

@test "bash completes every setting as an option" {
    wanted=$(sed -nE 's/^OPTION\([a-z_]+, "([A-Z_]+)".*/--\1/p' "$top/shim/settings/options.def" | tr A-Z_ a-z- | sort)
    same "$wanted" "$(completed run -- | grep -v -- --help)"
    same --linger-idle$'\n'--linger-time "$(completed run --li)"
}

@test "bash completes values, commands and files" {
    touch events.json
    same $'drain\nlinger\nlog\noff\nwarn' "$(completed run -m '')"
    same $'linger\nlog' "$(completed run --mode = l)"
    same $'json\ntext' "$(completed run -m log --format = '')"
    same $'off' "$(completed run --mode of)"
    same events.json "$(completed run -o ev)"
    same $'none\nstderr\nsyslog' "$(completed run --log '' | grep -v events)"
    matches 'safeclose|setpriv' "$(completed run setpri)"
    same events.json "$(completed run -m log -- cat eve)"
    same events.json "$(completed run cat eve)"
    matches setpriv "$(completed check setpri)"
    same $$ "$(completed check $$ | grep -x $$)"
}

# The commands of --help.
commands()
{
    "$usr/bin/safeclose" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | sort
}

@test "bash and zsh complete the commands that there are" {
    same "$(commands)" "$(completed '' | grep -v ^-)"
    zsh_completes 'safeclose ' "$(commands | paste -sd '*')"
}

# zsh_completes WORDS PATTERN: what zsh shows for WORDS and two tabs fits the pattern (of zsh). It runs in
# a terminal of its own, since completion is part of its line editor.
zsh_completes()
{
    timeout "${limit:-60}" zsh -fc 'zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=10000; cd $2; echo rea\"\"dy"
        zpty -r -m z line "*ready*"
        zpty -w -n z "$3"$'"'\t\t'"'
        zpty -r -m z line "*$~4*"
        zpty -d z' - "$usr/share/zsh/site-functions" "$PWD" "$@" 3>&- || fail "zsh does not complete: $1"
}

@test "zsh completes settings and their values" {
    zsh_completes 'safeclose run --ling' '--linger-idle*--linger-time'
    zsh_completes 'safeclose run --mode=' 'drain*linger*log*off*warn'
    zsh_completes 'safeclose run --log=' 'none*stderr*syslog'
}

@test "zsh does not complete what there is not" {
    limit=5 run ! zsh_completes 'safeclose run --ling' '--linger-nonsense*'
}
