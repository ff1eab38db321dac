#!/usr/bin/env bats
# safeclose check: every reason for and against, of programs and of processes. What it says of a
# program is held against what the loader does with LD_PRELOAD and that program, wherever that can be
# started here; the rest are files of known content (cli_elf.py).

# Takes long.

# shellcheck disable=SC2016 # much here is for an inner shell

load helper

safeclose=$top/safeclose
covered=0
not_covered=1
unknown=2

setup()
{
    cd "$BATS_TEST_TMPDIR" || return
}

elf()
{
    python3 "$top/tests/cli_elf.py" "$@"
}

compile()
{
    local out=$1
    shift
    echo 'int main(void) { return 0; }' | gcc -x c -o "$out" "$@" -
}

# says STATUS WHAT PATTERN...: check's status, and that some line fits each pattern.
says()
{
    local wanted=$1 what=$2 pattern
    shift 2
    run -"$wanted" "$safeclose" check "$what"
    for pattern; do
        grep -qE -- "^$pattern\$" <<<"$output" || fail "no line is: $pattern" "$output"
    done
}

# loaded COMMAND...: whether LD_PRELOAD brings the library into it.
loaded()
{
    LD_PRELOAD=$top/libsafeclose.so "$@" | grep -q libsafeclose
}

needs_root()
{
    setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null || skip 'only root can be somebody else'
}

# ---- programs --------------------------------------------------------------------------------

@test "an ordinary program is covered, and is told by name and place" {
    says $covered cat "cat \($(type -P cat)\): covered" '  for: it is 64-bit .*, as the library is' \
        '  for: it is linked dynamically; its loader /.* reads LD_PRELOAD' '  do: safeclose run cat'
    loaded cat /proc/self/maps
}

@test "static and static-pie programs are not" {
    compile static -static
    says $not_covered ./static './static: not covered' '  against: it is linked statically: .*' '  do: link it dynamically.*'
    compile pie -static-pie
    says $not_covered ./pie '  against: it is linked statically \(static-pie\): .*'
}

@test "executables at a fixed address and position-independent ones are" {
    compile fixed -no-pie
    says $covered ./fixed
    compile pie -pie
    says $covered ./pie
}

@test "another word size, machine or byte order" {
    elf i386 bits=32 machine=3 interp=/lib/ld-linux.so.2
    says $not_covered ./i386 '  against: it is 32-bit i386, the library 64-bit .*' '  do: build the library for 32-bit i386.*'
    elf arm machine=183 interp=/lib/ld-linux-aarch64.so.1
    elf power bits=64 order=big machine=21 interp=/lib64/ld64.so.1
    says $not_covered ./power '  against: it is 64-bit powerpc64 \(big-endian\), the library .*'
    elf odd machine=4711
    says $not_covered ./odd '  against: it is 64-bit, machine 4711, the library .*'
    elf mips bits=32 order=big machine=8 interp=/lib/ld.so.1 type=2
    says $not_covered ./mips '  against: it is 32-bit mips \(big-endian\), .*'
}

@test "another libc, by its loader" {
    elf musl interp=/nowhere/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
    says $not_covered ./musl '  against: it is a program for musl \(/nowhere/ld-musl-x86_64.so.1\), the library is for glibc' \
        '  against: its loader .* is not here: it does not start'
    elf android interp=/system/bin/linker64 needed=libc.so
    says $not_covered ./android '  against: it is a program for bionic .*'
    elf other interp=/bin/sh
    says $unknown ./other '  unknown: its loader /bin/sh is none that is known'
}

@test "a glibc newer than here, and one that the program brings itself" {
    elf newer version=GLIBC_2.99
    says $not_covered ./newer '  against: it needs glibc 2.99, which is newer than this machine.*'
    elf older version=GLIBC_2.2.5
    says $covered ./older
    cp "$(realpath /lib64/ld-linux-x86-64.so.2)" ld-linux.so.2
    elf own "interp=$PWD/ld-linux.so.2"
    says $unknown ./own '  unknown: it brings a glibc of its own .*; the library needs glibc 2\.[0-9]+ or newer'
}

@test "Go programs, static and linked with libc" {
    elf go go=note
    says $not_covered ./go '  against: it is a Go program: it calls the kernel itself, past libc'
    elf stripped go=section
    says $not_covered ./stripped '  against: it is a Go program: .*'
    elf static go=note static=yes type=2
    says $not_covered ./static '  against: it is a Go program: .*' '  against: it is linked statically: .*'
}

@test "programs that do without libc, and libraries, are told apart" {
    elf bare needed=
    says $not_covered ./bare '  against: it does not use libc: .*'
    elf through needed=libfoo.so.1
    says $unknown ./through '  unknown: it does not name libc among the libraries that it needs'
    says $not_covered "$top/libsafeclose.so" '  against: it is a library or the loader itself: .*'
    echo 'int x;' | gcc -x c -c -o object.o -
    chmod +x object.o
    says $not_covered ./object.o '  against: it is an ELF file, but no program: an object file, .*'
    elf core type=4
    says $not_covered ./core '  against: it is an ELF file, but no program: a core dump'
}

@test "AddressSanitizer is covered, and named" {
    compile asan -fsanitize=address
    says $covered ./asan '  for: it uses AddressSanitizer, whose runtime libasan.so.[0-9]* must come first: .*'
}

@test "libpsx makes it unknown, and valgrind is told what it takes away" {
    elf psx needed=libc.so.6,libpsx.so.2
    says $unknown ./psx '  unknown: it uses libpsx, .*'
    mkdir bin
    cp "$(type -P cat)" bin/valgrind
    PATH=$PWD/bin:$PATH says $covered valgrind '  note: under valgrind the library can have no thread of its own: .*'
}

@test "setuid and setgid count where they change something, as the loader has it" {
    needs_root
    cp "$(type -P cat)" mine
    chmod 4755 mine
    says $covered ./mine '  for: it is setuid, but to the id that you have already \(0\)'
    loaded ./mine /proc/self/maps
    cp mine other
    chown 65534 other
    chmod 4755 other
    says $not_covered ./other '  against: it is setuid \(65534\): the loader then ignores LD_PRELOAD' '  do: start safeclose run .*'
    run ! loaded ./other /proc/self/maps
    says_without_privileges=$(setpriv --no-new-privs "$safeclose" check ./other)
    matches '  for: it is setuid, but that has no effect: no_new_privs is set here' "$says_without_privileges"
    loaded setpriv --no-new-privs ./other /proc/self/maps
    cp mine group
    chgrp 65534 group
    chmod 2755 group
    says $not_covered ./group '  against: it is setgid \(65534\): .*'
    run ! loaded ./group /proc/self/maps
    chmod 2745 group
    says $covered ./group
}

@test "file capabilities count where they raise something" {
    needs_root
    cp "$(type -P cat)" able
    python3 -c 'import os, struct
os.setxattr("able", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))'
    says $covered ./able '  for: it has file capabilities, but root has them already'
    cp "$safeclose" "$top/libsafeclose.so" .
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    run -1 setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose check ./able
    matches '  against: it has file capabilities: the loader then ignores LD_PRELOAD' "$output"
    LD_PRELOAD=$PWD/libsafeclose.so run ! setpriv --reuid=65534 --regid=65534 --clear-groups \
        sh -c './able /proc/self/maps | grep libsafeclose'
}

# ---- files of other kinds --------------------------------------------------------------------

@test "what is not there, or can't be run, is said" {
    says $not_covered nonsense_command 'nonsense_command: not covered' '  against: nonsense_command is not in PATH'
    says $not_covered ./nonsense '  against: ./nonsense does not exist'
    mkdir directory
    says $not_covered ./directory '  against: ./directory is a directory'
    touch empty
    says $not_covered ./empty '  against: ./empty is not executable: .*'
    chmod +x empty
    says $not_covered ./empty '  against: ./empty is an empty file'
    says $not_covered empty '  against: empty is not in PATH' '  do: write ./empty for the one in this directory'
    mkfifo pipe
    chmod +x pipe
    says $not_covered ./pipe '  against: ./pipe is not executable: .*'
    printf 'MZ\0\0' >windows
    chmod +x windows
    says $not_covered ./windows '  against: ./windows is neither an ELF program nor a script'
    says $not_covered '' ': not covered'
    says $not_covered "$(printf '%05000d/x' 0)" '  against: .* File name too long'
}

@test "a program that can't be read is unknown, with the reason" {
    needs_root
    cp "$(type -P cat)" hidden
    chmod 111 hidden
    cp "$safeclose" "$top/libsafeclose.so" .
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    run -2 setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose check ./hidden
    matches './hidden: unknown' "${lines[0]}"
    matches '  unknown: ./hidden can.t be read: Permission denied' "$output"
}

# ---- scripts ---------------------------------------------------------------------------------

script()
{
    printf '%s\n' "$2" >"$1"
    chmod +x "$1"
}

@test "of a script the interpreter counts" {
    compile static -static
    script good '#!/bin/sh'
    says $covered ./good '  note: it is a script, which /bin/sh runs' '  note: what follows is said of /bin/sh' '  do: safeclose run ./good'
    script spaced "#!  	/bin/sh -e "
    says $covered ./spaced '  note: it is a script, which /bin/sh runs'
    script bad "#!$PWD/static"
    says $not_covered ./bad '  against: it is linked statically: .*'
    script gone '#!/nowhere/sh'
    says $not_covered ./gone '  against: /nowhere/sh does not exist'
    script none '#!'
    says $not_covered ./none '  against: ./none begins with #!, but names no interpreter .*'
    script plain 'echo hello'
    says $covered ./plain '  note: ./plain has no #! line: .*' '  note: it is a script, which /bin/sh runs'
}

@test "env in a script is followed to what it starts" {
    compile static -static
    script python '#!/usr/bin/env python3'
    says $covered ./python '  note: it is a script, which /usr/bin/env starts with python3'
    script gone '#!/usr/bin/env nonsense_command'
    says $not_covered ./gone '  against: nonsense_command is not in PATH'
    script split '#!/usr/bin/env -S A=b -u C perl -w'
    says $covered ./split '  note: it is a script, which /usr/bin/env starts with perl'
    script joined '#!/usr/bin/env perl -w'
    says $not_covered ./joined '  against: perl -w is not in PATH'
    script clears '#!/usr/bin/env -iS sh'
    says $not_covered ./clears '  against: /usr/bin/env empties the environment, LD_PRELOAD with it'
    script clears2 '#!/usr/bin/env -S - sh'
    says $not_covered ./clears2 '  against: /usr/bin/env empties .*'
    PATH=$PWD:$PATH
    script my_static "#!/usr/bin/env static"
    says $not_covered ./my_static "  note: what follows is said of $PWD/static" '  against: it is linked statically: .*'
}

@test "scripts that start scripts are followed as far as the kernel does" {
    script one '#!/bin/sh'
    for n in two:one three:two four:three five:four six:five; do
        script "${n%:*}" "#!$PWD/${n#*:}"
    done
    ./five
    says $covered ./five
    run ! ./six
    says $not_covered ./six '  against: too many scripts start each other: .*'
    script loop "#!$PWD/loop"
    says $not_covered ./loop '  against: too many scripts start each other: .*'
}

# ---- files that are damaged ------------------------------------------------------------------

@test "no damaged ELF file does harm, cut at any byte or spoiled at any" {
    elf good version=GLIBC_2.34 go=section soname=x
    elf narrow bits=32 machine=3 interp=/lib/ld-linux.so.2 version=GLIBC_2.1 go=note
    elf big bits=32 order=big machine=20 interp=/lib/ld.so.1 version=GLIBC_2.1 go=section
    for kind in good narrow big; do
        mkdir "$kind.d"
        elf --spoiled "$kind.d" "$kind"
    done
    # One process, with the sanitizers, reads them all.
    run -0 --separate-stderr "$programs/replay_elf" good.d narrow.d big.d
    same '' "$stderr"
    matches '^[0-9]{4} files$' "$output"
}

@test "of a damaged ELF file it is said what is wrong" {
    elf good
    head -c 20 good >header; chmod +x header
    says $not_covered ./header '  against: it is cut off within its ELF header'
    head -c 100 good >short; chmod +x short
    says $not_covered ./short '  against: it is damaged or cut off: its program headers lie behind its end'
    python3 - <<'EOT'
import os
data = bytearray(open("good", "rb").read())
def write(name, at, value):
    b = bytearray(data)
    b[at:at + len(value)] = value
    open(name, "wb").write(b)
    os.chmod(name, 0o755)
write("class", 4, b"\x07")
write("many", 56, b"\xff\xff")
write("loader", 64 + 56 + 8, b"\xff" * 8)
EOT
    says $not_covered ./class '  against: it is damaged: its ELF header says neither .*'
    says $not_covered ./many '  against: it is damaged: it has more program headers .*'
    says $not_covered ./loader '  against: it is damaged: the name of its loader can.t be read'
}

# ---- processes -------------------------------------------------------------------------------

# process SCRIPT WORD...: begins a Python program that says "ready" and waits; WORD... stand before it.
python_waits='print("ready", flush=True); input()'

@test "a process with the library is covered, and its mode told" {
    for mode in log warn drain linger; do
        begin "$safeclose" run -m "$mode" python3 -c "$python_waits"
        hear ready
        says $covered "$program" "process $program \(.*\): covered" \
            "  for: the library is loaded: $top/libsafeclose.so" "  for: its mode is $mode"
        finish
    done
}

@test "a process whose mode is off is not" {
    begin "$safeclose" run -m off python3 -c "$python_waits"
    hear ready
    says $not_covered "$program" '  for: the library is loaded: .*' '  against: its mode is off: .*'
    finish
}

@test "a process whose mode a file holds" {
    begin "$safeclose" run -m off --control=/run/mode python3 -c "$python_waits"
    hear ready
    says $covered "$program" '  for: the library is loaded: .*' \
        '  for: its mode is the one that /run/mode holds; off where that file is missing or empty'
    finish
}

@test "SAFECLOSE_PROGRAMS counts by the names that the process began with" {
    cp "$(type -P cat)" renamed
    begin "$safeclose" run --programs=other,renamed ./renamed
    wait_until grep -q renamed "/proc/$program/comm"
    says $covered "$program" '  for: its mode is warn'
    finish
    begin "$safeclose" run --programs=other ./renamed
    wait_until grep -q renamed "/proc/$program/comm"
    says $not_covered "$program" '  against: SAFECLOSE_PROGRAMS does not name it \(renamed\): its mode is off'
    finish
    # A script's name, by which the library knows it, even if the process calls itself otherwise now.
    script server "#!/usr/bin/python3
import ctypes
ctypes.CDLL(None).prctl(15, b'x', 0, 0, 0)
$python_waits"
    begin "$safeclose" run --programs=server ./server
    hear ready
    same x "$(<"/proc/$program/comm")"
    says $covered "$program" '  for: its mode is warn'
    finish
}

@test "a process that has written over its environment: its mode is unknown" {
    begin "$safeclose" run perl -e '$0 = "x" x 10000; $| = 1; print "ready\n"; <STDIN>'
    hear ready
    says $unknown "$program" '  for: the library is loaded: .*' "  unknown: its mode can't be told: it has written over .*"
    finish
}

@test "a process without the library is not covered, but could be" {
    begin python3 -c "$python_waits"
    hear ready
    says $not_covered "$program" '  against: the library is not loaded' '  for: /.*python3.*: it is linked dynamically.*' \
        '  do: it could be loaded: start the program anew with safeclose run'
    finish
}

@test "a process without the library that could not have it: why" {
    printf '#include <unistd.h>\nint main(void) { char c; return (int)read(0, &c, 1); }' | gcc -x c -static -o static -
    begin ./static
    wait_until grep -q static "/proc/$program/comm"
    says $not_covered "$program" '  against: the library is not loaded' "  against: $PWD/static: it is linked statically.*"
    finish
}

@test "a process with raised privileges" {
    needs_root
    cp "$(type -P cat)" other
    chown 65534 other
    chmod 4755 other
    begin "$PWD/other"
    wait_until grep -q other "/proc/$program/comm"
    says $not_covered "$program" "  against: $PWD/other: it was started with raised privileges .*: the loader then ignores LD_PRELOAD"
    finish
}

@test "somebody else's process is unknown, with the reason" {
    needs_root
    begin python3 -c "$python_waits"
    hear ready
    cp "$safeclose" "$top/libsafeclose.so" .
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    run -2 setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose check "$program"
    matches "  unknown: whether the library is loaded can't be told: Permission denied" "$output"
    matches '  do: ask again as root' "$output"
    finish
}

@test "numbers that are no process, and a process that has ended" {
    says $not_covered 4194305 'process 4194305: not covered' '  against: there is no such process'
    says $not_covered 99999999999999999999 "  against: no process has that number"
    says $not_covered 0 '  against: .*no process has that number'
    begin python3 -c 'import os
pid = os.fork()
if pid == 0: os._exit(0)
print(pid, flush=True); input()'
    hear
    zombie=$heard
    wait_until grep -q 'State:.Z' "/proc/$zombie/status"
    says $not_covered "$zombie" '  against: it has ended; its parent has yet to notice \(a zombie\)'
    finish
}

@test "a program whose name is a number is written with its path" {
    cp "$(type -P cat)" 4242
    says $covered ./4242 './4242: covered'
}

# Allows everything; what counts is that it is there.
filter='
import ctypes, struct
libc = ctypes.CDLL(None)
program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
class Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Fprog(1, ctypes.addressof(program)))) == 0
'

@test "a seccomp filter of its own makes a process unknown, one from outside does not" {
    begin "$safeclose" run python3 -c "$filter$python_waits"
    hear ready
    says $unknown "$program" '  for: the library is loaded: .*' '  unknown: a seccomp filter is in force: .*'
    finish
    begin python3 -c "$filter
import os, sys
os.execv(sys.argv[1], sys.argv[1:])" "$(type -P sh)" -c \
        "'$safeclose' run python3 -c '$python_waits' &
        for i in \$(seq 1000); do ! grep -qs libsafeclose /proc/\$!/maps || break; sleep 0.01; done
        '$safeclose' check \$!; echo \$?; kill \$!"
    finish
    matches '  for: the seccomp filter in force comes from outside: .*' "$output"
}

@test "a process that uses io_uring is unknown" {
    ring='import ctypes
fd = ctypes.CDLL(None, use_errno=True).syscall(425, 8, ctypes.create_string_buffer(256))
print("ready" if fd >= 0 else "none", flush=True); input()'
    begin "$safeclose" run python3 -c "$ring"
    hear
    if [[ $heard == none ]]; then
        finish
        skip 'no io_uring here'
    fi
    says $unknown "$program" '  unknown: it uses io_uring: .*'
    finish
}

@test "a process that sees other files, a container's" {
    unshare -m true 2>/dev/null || skip 'no mount namespace can be had'
    begin unshare -m python3 -c "$python_waits"
    hear ready
    says $not_covered "$program" '  note: it sees other files than this command .*'
    finish
}

# ---- how it is said --------------------------------------------------------------------------

# on_terminal COMMAND...: its output, with a terminal as standard output.
on_terminal()
{
    python3 -c 'import pty, sys
pty.spawn(sys.argv[1:])' "$@" </dev/null
}

@test "colours come on a terminal only, and not with NO_COLOR or a dumb terminal" {
    export TERM=xterm
    unset NO_COLOR
    run -0 on_terminal "$safeclose" check cat
    matches $'\033\\[32m.*covered' "$output"
    NO_COLOR=1 run -0 on_terminal "$safeclose" check cat
    [[ $output == *covered* && $output != *$'\033'* ]]
    TERM=dumb run -0 on_terminal "$safeclose" check cat
    [[ $output == *covered* && $output != *$'\033'* ]]
    run -0 "$safeclose" check cat
    [[ $output == *covered* && $output != *$'\033'* ]]
}

@test "a name can't drive the terminal" {
    says $not_covered $'./\033[31mred\n' './.x1b\[31mred.x0a: not covered'
}

@test "bad usage: 125" {
    for words in '' 'cat cat' '--what cat'; do
        # shellcheck disable=SC2086 # one word or more
        run -125 --separate-stderr "$safeclose" check $words
        same '' "$output"
        matches '^safeclose: unable to .*; try: safeclose check --help$' "$stderr"
    done
}

@test "what can't be written: 125" {
    run -125 --separate-stderr sh -c "'$safeclose' check cat >/dev/full"
    same 'safeclose: unable to write to standard output: No space left on device' "$stderr"
}
