#!/usr/bin/env bats
# safeclose check: every reason for and against, of programs and of processes. What it says of a
# program is held against what the loader does with LD_PRELOAD and that program, wherever that can be
# started here; the rest are files of known content (cli_elf.py).

# Takes long.

# shellcheck disable=SC2016 # much here is for an inner shell

load ../support/helper

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
    python3 "$top/tests/cli/cli_elf.py" "$@"
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
    says $covered cat "cat \($(type -P cat)\): covered" '  for: it is 64-bit .*, like the library' \
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
    says $not_covered ./i386 '  against: it is 32-bit i386, but the library is 64-bit .*' \
        '  do: build the library for it \(make ARCH=i386\), and preload that one'
    elf arm machine=183 interp=/lib/ld-linux-aarch64.so.1
    says $not_covered ./arm '  against: it is 64-bit arm64, but the library is .*' \
        '  do: build the library for it \(make ARCH=aarch64\), and preload that one'
    elf power bits=64 order=big machine=21 interp=/lib64/ld64.so.1
    says $not_covered ./power '  against: it is 64-bit powerpc64 \(big-endian\), but the library .*' \
        '  note: safeclose can be built for x86-64, i386 and arm64 with glibc, .*' '  do: count the resets .*'
    elf odd machine=4711
    says $not_covered ./odd '  against: it is 64-bit, machine 4711, but the library .*'
    elf mips bits=32 order=big machine=8 interp=/lib/ld.so.1 type=2
    says $not_covered ./mips '  against: it is 32-bit mips \(big-endian\), .*'
}

@test "another libc, by its loader" {
    elf musl interp=/nowhere/ld-musl-x86_64.so.1 needed=libc.musl-x86_64.so.1
    says $not_covered ./musl '  against: it is a musl program \(its loader is /nowhere/ld-musl-x86_64.so.1\), but the library is built for glibc: .*' \
        "  against: its loader .* doesn't exist here: it can't start" \
        '  do: build the library for it \(make CC=musl-gcc\), and preload that one'
    elf android interp=/system/bin/linker64 needed=libc.so
    says $not_covered ./android '  against: it is a bionic program .*' '  note: safeclose can be built for .*' \
        '  do: count the resets .*'
    elf other interp=/bin/sh
    says $unknown ./other '  unknown: its loader /bin/sh is not a known one'
}

@test "a glibc newer than here, and one that the program brings itself" {
    elf newer version=GLIBC_2.99
    says $not_covered ./newer '  against: it needs glibc 2.99, which is newer than this machine.*'
    elf older version=GLIBC_2.2.5
    says $covered ./older
    cp "$(realpath /lib64/ld-linux-x86-64.so.2)" ld-linux.so.2
    elf own "interp=$PWD/ld-linux.so.2"
    says $unknown ./own '  unknown: it has its own glibc .*: unknown whether that is glibc 2\.[0-9]+ or newer, which the library needs'
}

@test "Go programs, static and linked with libc" {
    elf go go=note
    says $not_covered ./go '  against: it is a Go program: it makes its system calls without libc, .*'
    elf stripped go=section
    says $not_covered ./stripped '  against: it is a Go program: .*'
    elf static go=note static=yes type=2
    says $not_covered ./static '  against: it is a Go program: .*' '  against: it is linked statically: .*'
}

@test "programs that do without libc, and libraries, are told apart" {
    elf bare needed=
    says $not_covered ./bare "  against: it doesn't use libc, .*"
    elf through needed=libfoo.so.1
    says $unknown ./through "  unknown: it doesn't list libc among the libraries that it needs"
    says $not_covered "$top/libsafeclose.so" '  against: it is a library, or the loader itself, not a program'
    echo 'int x;' | gcc -x c -c -o object.o -
    chmod +x object.o
    says $not_covered ./object.o '  against: it is an ELF file, but not a program: an object file, .*'
    elf core type=4
    says $not_covered ./core '  against: it is an ELF file, but not a program: a core dump'
}

@test "AddressSanitizer is covered, and named" {
    compile asan -fsanitize=address
    says $covered ./asan '  for: it uses AddressSanitizer, whose runtime libasan.so.[0-9]* must be preloaded before the library: .*'
}

@test "libpsx makes it unknown, and valgrind is told what it takes away" {
    elf psx needed=libc.so.6,libpsx.so.2
    says $unknown ./psx '  unknown: it uses libpsx, .*'
    mkdir bin
    cp "$(type -P cat)" bin/valgrind
    PATH=$PWD/bin:$PATH says $covered valgrind "  limit: under valgrind the library can't start its thread: .*"
}

@test "setuid and setgid count where they change something, as the loader has it" {
    needs_root
    cp "$(type -P cat)" mine
    chmod 4755 mine
    says $covered ./mine '  for: it is setuid, but you are that user already \(0\)'
    loaded ./mine /proc/self/maps
    cp mine other
    chown 65534 other
    chmod 4755 other
    says $not_covered ./other '  against: it is setuid \(to user 65534\): the loader ignores LD_PRELOAD' '  do: use safeclose run as user 65534: .*'
    run ! loaded ./other /proc/self/maps
    says_without_privileges=$(setpriv --no-new-privs "$safeclose" check ./other)
    matches '  for: it is setuid, but that has no effect: no_new_privs is set here' "$says_without_privileges"
    loaded setpriv --no-new-privs ./other /proc/self/maps
    cp mine group
    chgrp 65534 group
    chmod 2755 group
    says $not_covered ./group '  against: it is setgid \(to group 65534\): .*'
    run ! loaded ./group /proc/self/maps
    chmod 2745 group
    says $covered ./group
}

@test "file capabilities count where they raise something" {
    needs_root
    cp "$(type -P cat)" able
    python3 -c 'import os, struct
os.setxattr("able", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))'
    says $covered ./able '  for: it has file capabilities, but you are root and have them already'
    cp "$safeclose" "$top/libsafeclose.so" .
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    run -1 setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose check ./able
    matches '  against: it has file capabilities: the loader ignores LD_PRELOAD' "$output"
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
    says $not_covered ./empty "  against: ./empty can't be executed: .*"
    chmod +x empty
    says $not_covered ./empty '  against: ./empty is an empty file'
    says $not_covered empty '  against: empty is not in PATH' '  do: for the one in this directory write ./empty'
    mkfifo pipe
    chmod +x pipe
    says $not_covered ./pipe "  against: ./pipe can't be executed: .*"
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
    says $covered ./good '  note: it is a script: /bin/sh runs it' '  note: the lines below are about /bin/sh' '  do: safeclose run ./good'
    script spaced "#!  	/bin/sh -e "
    says $covered ./spaced '  note: it is a script: /bin/sh runs it'
    script bad "#!$PWD/static"
    says $not_covered ./bad '  against: it is linked statically: .*'
    script gone '#!/nowhere/sh'
    says $not_covered ./gone '  against: /nowhere/sh does not exist'
    script none '#!'
    says $not_covered ./none '  against: the #! line of ./none names no interpreter'
    script plain 'echo hello'
    says $covered ./plain '  note: ./plain has no #! line: .*' '  note: it is a script: /bin/sh runs it'
}

@test "env in a script is followed to what it starts" {
    compile static -static
    script python '#!/usr/bin/env python3'
    says $covered ./python '  note: it is a script: /usr/bin/env runs it with python3'
    script gone '#!/usr/bin/env nonsense_command'
    says $not_covered ./gone '  against: nonsense_command is not in PATH'
    script split '#!/usr/bin/env -S A=b -u C perl -w'
    says $covered ./split '  note: it is a script: /usr/bin/env runs it with perl'
    script joined '#!/usr/bin/env perl -w'
    says $not_covered ./joined '  against: perl -w is not in PATH'
    script clears '#!/usr/bin/env -iS sh'
    says $not_covered ./clears '  against: /usr/bin/env clears the environment, and with it LD_PRELOAD'
    script clears2 '#!/usr/bin/env -S - sh'
    says $not_covered ./clears2 '  against: /usr/bin/env clears .*'
    PATH=$PWD:$PATH
    script my_static "#!/usr/bin/env static"
    says $not_covered ./my_static "  note: the lines below are about $PWD/static" '  against: it is linked statically: .*'
}

@test "scripts that start scripts are followed as far as the kernel does" {
    script one '#!/bin/sh'
    for n in two:one three:two four:three five:four six:five; do
        script "${n%:*}" "#!$PWD/${n#*:}"
    done
    ./five
    says $covered ./five
    run ! ./six
    says $not_covered ./six '  against: its interpreter is a script, and so on: Linux follows at most 5'
    script loop "#!$PWD/loop"
    says $not_covered ./loop '  against: its interpreter is a script, and so on: Linux follows at most 5'
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
    says $not_covered ./header '  against: it is truncated: it ends within its ELF header'
    head -c 100 good >short; chmod +x short
    says $not_covered ./short '  against: it is damaged or truncated: its program headers lie beyond its end'
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
    says $not_covered ./class '  against: it is damaged: its ELF header gives an unknown .*'
    says $not_covered ./many '  against: it is damaged: it has more program headers .*'
    says $not_covered ./loader "  against: it is damaged: can't read the name of its loader"
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
    says $not_covered "$program" '  for: the library is loaded: .*' '  against: its mode is off: the library does nothing in it' \
        '  modes: if another mode is set: log, warn, drain and linger work'
    finish
}

@test "a process whose mode a file holds" {
    begin "$safeclose" run -m off --control=/run/mode python3 -c "$python_waits"
    hear ready
    says $covered "$program" '  for: the library is loaded: .*' \
        '  for: its mode is off, and the file that SAFECLOSE_CONTROL names may change it' \
        '  modes: if another mode is set: log, warn, drain and linger work'
    finish
}

@test "a process whose mode a file holds, of a library without symbols" {
    strip -o libsafeclose.so "$top/libsafeclose.so"
    begin env LD_PRELOAD="$PWD/libsafeclose.so" SAFECLOSE_MODE=warn SAFECLOSE_CONTROL=/run/mode python3 -c "$python_waits"
    hear ready
    says $covered "$program" '  for: the library is loaded: .*' \
        '  for: SAFECLOSE_MODE is warn in it; the file of SAFECLOSE_CONTROL may differ'
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
    says $not_covered "$program" "  against: SAFECLOSE_PROGRAMS doesn't list renamed: .*"
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

overwrites='$0 = "x" x 10000; $| = 1; print "ready\n"; <STDIN>'

@test "a process that has overwritten its environment: its mode is read from its memory" {
    begin "$safeclose" run -m linger perl -e "$overwrites"
    hear ready
    ! grep -q SAFECLOSE_MODE "/proc/$program/environ" || fail 'the environment is as it was'
    says $covered "$program" '  for: its mode is linger'
    finish
    begin "$safeclose" run --programs=other perl -e "$overwrites"
    hear ready
    says $not_covered "$program" "  against: SAFECLOSE_PROGRAMS doesn't list perl: .*"
    finish
}

@test "without its symbols, or with another build of the library, the environment tells the mode" {
    cp "$safeclose" "$top/libsafeclose.so" .
    strip libsafeclose.so
    begin ./safeclose run -m linger python3 -c "$python_waits"
    hear ready
    for command in ./safeclose "$safeclose"; do
        safeclose=$command says $covered "$program" '  for: its mode is linger'
    done
    finish
    begin ./safeclose run perl -e "$overwrites"
    hear ready
    safeclose=./safeclose says $unknown "$program" '  for: the library is loaded: .*' \
        "  unknown: its mode is unknown: its environment no longer shows LD_PRELOAD .*" '  modes: log, warn, drain and linger work'
    finish
}

@test "a process without the library is not covered, but could be" {
    begin python3 -c "$python_waits"
    hear ready
    says $not_covered "$program" '  against: the library is not loaded' '  for: /.*python3.*: it is linked dynamically.*' \
        '  do: restart the program with safeclose run'
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
    says $not_covered "$program" "  against: $PWD/other: it was started with raised privileges .*: the loader ignored LD_PRELOAD"
    finish
}

@test "somebody else's process is unknown, with the reason" {
    needs_root
    begin python3 -c "$python_waits"
    hear ready
    cp "$safeclose" "$top/libsafeclose.so" .
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    run -2 setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose check "$program"
    matches "  unknown: can't find out whether the library is loaded: Permission denied" "$output"
    matches '  do: run this command as root' "$output"
    finish
}

@test "numbers that are no process, and a process that has ended" {
    says $not_covered 4194305 'process 4194305: not covered' '  against: there is no such process'
    says $not_covered 99999999999999999999 "  against: this is not a process id"
    says $not_covered 0 '  against: this is not a process id'
    begin python3 -c 'import os
pid = os.fork()
if pid == 0: os._exit(0)
print(pid, flush=True); input()'
    hear
    zombie=$heard
    wait_until grep -q 'State:.Z' "/proc/$zombie/status"
    says $not_covered "$zombie" '  against: it has ended \(a zombie: .*'
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
    says $unknown "$program" '  for: the library is loaded: .*' '  unknown: it has a seccomp filter. If the program .*' '  modes: log, warn, drain and linger work'
    finish
    begin python3 -c "$filter
import os, sys
os.execv(sys.argv[1], sys.argv[1:])" "$(type -P sh)" -c \
        "'$safeclose' run sleep 60 &
        for i in \$(seq 1000); do ! grep -qs libsafeclose /proc/\$!/maps || break; sleep 0.01; done
        '$safeclose' check \$!; echo \$?; kill \$!"
    finish
    matches '  for: its seccomp filter comes from outside the program: .*' "$output"
}

# ---- which modes work in a process -------------------------------------------------------------

states=$programs/cli_states
somebody=$((100000 + $$)) # has no other process

# state MODE STEP...: begins cli_states in this mode, and waits until it is ready; its number is $program,
# of a fork child $child.
state()
{
    local mode=$1
    shift
    begin env SAFECLOSE_LOG="$PWD/log.%p" SAFECLOSE_FORMAT=json "$safeclose" run -m "$mode" "$states" "$@" 2>state.err
    child=''
    for ((; ;)); do
        hear || fail "$(<state.err)"
        [[ $heard != ready ]] || break
        child=$heard
    done
}

# has_lot: the library's thread runs in it, by its name.
has_lot()
{
    cat "/proc/$program"/task/*/comm | grep -qx safeclose-lot
}

# ended: kills what waits for no line.
ended()
{
    kill -KILL "$program"
    finish
}

# did ACTION NOTE: what the library did at the close of `cli_states close`, by its own word.
did()
{
    json "log.$program" "assert (closes[0]['action'], closes[0]['note']) == ('$1', '$2'), closes"
}

all_work='  modes: log, warn, drain and linger work'
none_remedy='  modes: log and warn work; drain and linger do nothing'

@test "RLIMIT_NPROC that leaves no room for the library's thread, without threads: linger drains" {
    state linger "uid:$somebody" nproc:0 close
    says $not_covered "$program" "  limit: its RLIMIT_NPROC is 0: the library can't start its thread. .*" \
        '  against: its mode is linger, but in this process linger only drains' '  modes: log, warn and drain work; linger only drains' \
        "  do: raise that limit as root: prlimit --pid $program --nproc=17:; .*"
    did drained no-lot
    advice=$(sed -n "s/^  do: raise that limit as root: \(prlimit [^;]*\);.*/\1/p" <<<"$output")
    # Root may lack the right here (CAP_SYS_RESOURCE) that it has elsewhere.
    # shellcheck disable=SC2086 # a command's words
    setpriv --reuid="$somebody" --clear-groups $advice
    says $covered "$program" "$all_work"
    finish
    state drain "uid:$somebody" nproc:0:0
    says $covered "$program" '  limit: its RLIMIT_NPROC is 0: .*' "  do: .*: prlimit --pid $program --nproc=17; .*" \
        '  modes: log, warn and drain work; linger only drains'
    finish
}

@test "RLIMIT_NPROC that is reached, with threads: drain and linger do nothing" {
    for mode in drain linger; do
        state "$mode" threads:2 "uid:$somebody" nproc:3 close
        says $not_covered "$program" "$none_remedy" "  against: its mode is $mode, but in this process $mode only reports resets" \
            '  limit: its user runs 3 processes and threads, and its RLIMIT_NPROC is 3: .*'
        did passed no-lot
        finish
    done
    state warn threads:2 "uid:$somebody" nproc:3
    says $covered "$program" '  for: its mode is warn' '  limit: its user runs 3 .*' "$none_remedy"
    same 0 "$(grep -c '  do: ' <<<"$output")"
    finish
}

@test "RLIMIT_NPROC binds neither root nor a process that has room left" {
    state linger nproc:0 connect
    says $covered "$program" "$all_work"
    same 0 "$(grep -c RLIMIT <<<"$output")"
    finish
    state linger "uid:$somebody" nproc:2
    says $covered "$program" "$all_work"
    same 0 "$(grep -c RLIMIT <<<"$output")"
    finish
}

@test "RLIMIT_NPROC that is set when the library's thread runs, here or where a child was forked" {
    state linger "uid:$somebody" connect nproc:0
    wait_until has_lot
    says $covered "$program" "  note: its RLIMIT_NPROC is 0: the library's thread runs, but once it has ended .*" "$all_work"
    finish
    state linger "uid:$somebody" connect fork nproc:0
    wait_until has_lot
    says $covered "$child" "  note: its RLIMIT_NPROC is 0: the library's thread runs in process $program, .*" "$all_work"
    finish
}

@test "a process that isn't dumpable and has threads: drain and linger work in part" {
    state drain threads:2 "uid:$somebody" connect
    wait_until has_lot
    says $covered "$program" "  limit: it has threads and isn't dumpable .*" '  modes: log and warn work; drain and linger work in part'
    finish
    state drain "uid:$somebody" connect
    says $covered "$program" "$all_work"
    finish
    state drain threads:2 undumpable connect # root may read everything
    says $covered "$program" "$all_work"
    finish
}

@test "no /proc in its root directory: drain and linger can't look at threads, unless /proc was kept" {
    mkdir jail
    state linger threads:2 "chroot:$PWD/jail" close
    wait_until has_lot
    says $covered "$program" "  note: its root directory is $PWD/jail \(chroot\): the library goes on writing to the log file .*" "$all_work"
    finish
    state warn threads:2 "chroot:$PWD/jail"
    says $covered "$program" '  limit: it has threads, .*, because there is no /proc in its root directory: .*' "$none_remedy"
    finish
    state linger threads:2 "chroot:$PWD/jail" fork connect
    says $covered "$child" "$all_work" # has one thread
    finish
    state linger "chroot:$PWD/jail" fork threads:2 close
    says $not_covered "$child" '  limit: it has threads, .*, because there is no /proc in its root directory: .*' "$none_remedy" \
        '  against: its mode is linger, but in this process linger only reports resets'
    finish
}

@test "more threads than the library follows" {
    state warn threads:4096
    says $covered "$program" '  limit: it has 4097 threads, and the library follows at most 4096: .*' "$none_remedy"
    finish
}

@test "libpsx in a process: only log and warn" {
    echo 'int psx;' | gcc -x c -shared -o libpsx.so.2.66 -
    for row in "linger $unknown unknown" "log $covered limit"; do
        read -r mode wanted word <<<"$row"
        LD_PRELOAD=$PWD/libpsx.so.2.66 state "$mode"
        says "$wanted" "$program" "  $word: it uses libpsx, .*: use only log and warn" \
            '  modes: log and warn work; drain and linger are unsafe'
        finish
    done
}

@test "valgrind in a process: the library has no thread" {
    cat >waits.c <<<'#include <stdio.h>
int main(void) { puts("ready"); fflush(stdout); return getchar() == 0; }'
    gcc -o waits waits.c
    begin "$safeclose" run -m linger valgrind -q ./waits
    hear ready
    says $not_covered "$program" "  limit: it runs under valgrind: the library can't start its thread. .*" \
        '  modes: log, warn and drain work; linger only drains'
    finish
}

@test "a process that uses io_uring is unknown" {
    state log ring
    says $unknown "$program" '  unknown: it uses io_uring, .*: use only log and warn' \
        '  modes: log and warn work; drain and linger are unsafe'
    finish
}

@test "a thread that has its own descriptor table: nothing works" {
    state linger leave
    says $not_covered "$program" '  against: one of its threads has its own descriptor table .*'
    same 0 "$(grep -c modes: <<<"$output")"
    finish
    state linger threads:2 connect
    wait_until has_lot # the library's thread has one, too
    says $covered "$program" "$all_work"
    finish
}

@test "a seccomp filter beside the library's thread comes from outside; in the strict mode nothing works" {
    begin python3 -c "$filter
import os, sys
os.environ['SAFECLOSE_LOG'] = 'none'
os.execv(sys.argv[1], sys.argv[1:])" "$safeclose" run -m linger "$states" connect
    hear ready
    wait_until has_lot
    says $covered "$program" "  for: its seccomp filter comes from outside the program: the library's thread runs, .*" "$all_work"
    finish
    state linger connect filter
    says $unknown "$program" '  unknown: it has a seccomp filter. .*'
    finish
    state linger strict
    wait_until grep -q 'Seccomp:.1' "/proc/$program/status"
    says $not_covered "$program" '  against: it is in the strict mode of seccomp: .*'
    ended
}

@test "a process whose main thread has ended is no zombie" {
    state linger threads:1 end
    wait_until grep -q 'State:.Z' "/proc/$program/status"
    says $unknown "$program" '  unknown: its main thread has ended: .*'
    ended
}

# refusing NUMBER ARGUMENT ERRNO: the filter, but this system call with this first argument fails.
refusing()
{
    local program="struct.pack('HBBI' * 6, 0x20, 0, 0, 0, 0x15, 0, 3, $1, 0x20, 0, 0, 16, 0x15, 0, 1, $2, 6, 0, 0, 0x50000 | $3,
    6, 0, 0, 0x7fff0000)"
    program=${filter/'struct.pack("HBBI", 6, 0, 0, 0x7fff0000)'/"$program"}
    echo "${program/'Fprog(1,'/'Fprog(6,'}"
}

# number NAME: of a system call.
number()
{
    echo "#include <sys/syscall.h>
SYS_$1" | gcc -E -P - | tail -1
}

# check_behind FILTER COMMAND: what check says of it, both with this filter; in $output.
check_behind()
{
    begin python3 -c "$1
import os, sys
os.execv(sys.argv[1], sys.argv[1:])" "$(type -P sh)" -c \
        "'$safeclose' run $2 &
        for i in \$(seq 1000); do ! grep -qs libsafeclose /proc/\$!/maps || break; sleep 0.01; done
        '$safeclose' check \$!; echo \$?; kill \$!"
    finish
}

@test "a filter that refuses netlink, which this command has too: outcomes are not confirmed" {
    check_behind "$(refusing "$(number socket)" 16 97)" 'sleep 60'
    matches "  limit: this command can't open a netlink socket \(Address family not supported by protocol\), .*" "$output"
    matches ': covered' "$output"
}

@test "close_range is refused, as by Linux before 5.9: the library can't start its thread" {
    check_behind "$(refusing "$(number close_range)" 4294967295 38)" '-m linger sleep 60'
    matches '  limit: the kernel, or a seccomp filter, refuses close_range \(Function not implemented\): the library .*' "$output"
    matches '  modes: log, warn and drain work; linger only drains' "$output"
    matches ': not covered' "$output"
}

@test "a security policy that may refuse netlink is named" {
    state warn
    cat >confined <<'EOT'
mount -t tmpfs none /sys/fs && mkdir /sys/fs/selinux && echo "$1" >/sys/fs/selinux/enforce
printf %s "$2" >context && mount --bind context "/proc/$3/attr/current" && exec "$4" check "$3"
EOT
    run -0 unshare -m sh confined 1 system_u:system_r:httpd_t:s0 "$program" "$safeclose"
    matches '  limit: its security policy \(system_u:system_r:httpd_t:s0\) may refuse it netlink sockets; .*' "$output"
    matches "$all_work" "$output"
    for row in '0 system_u:system_r:httpd_t:s0' '1 unconfined_u:unconfined_r:unconfined_t:s0' '1 unconfined'; do
        # shellcheck disable=SC2086 # two words
        run -0 unshare -m sh confined $row "$program" "$safeclose"
        same 0 "$(grep -c policy <<<"$output")"
    done
    run -0 unshare -m sh confined 0 'usr.sbin.named (enforce)' "$program" "$safeclose"
    matches '  limit: its security policy \(usr.sbin.named \(enforce\)\) may .*' "$output"
    finish
    # One that has such a socket was not refused.
    begin "$safeclose" run python3 -c "import socket
kept = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
kept.bind((0, 0))
$python_waits"
    hear ready
    run -0 unshare -m sh confined 1 system_u:system_r:httpd_t:s0 "$program" "$safeclose"
    same 0 "$(grep -c policy <<<"$output")"
    finish
}

@test "a process that sees other files, a container's" {
    unshare -m true 2>/dev/null || skip 'no mount namespace can be had'
    begin unshare -m python3 -c "$python_waits"
    hear ready
    says $not_covered "$program" '  note: it runs in a container, .*'
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
