#!/usr/bin/env bats
# The return addresses of an event, and the names that its explanation has for them. The witness is
# what addr2line and nm say of an unstripped copy of the program (stack_program.c), whose functions are
# named for the place that they have in the stack.

load ../support/helper

# Its peers need no scene: the program holds both ends.
setup_file()
{
    cd "$BATS_FILE_TMPDIR" || return
    program pie -O2 -fomit-frame-pointer -pie -fPIE
    program fixed -O2 -fomit-frame-pointer -no-pie -fno-pie
    strip -o pie-stripped pie
    strip -o fixed-stripped fixed
}

setup()
{
    cd "$BATS_TEST_TMPDIR" || return
    at=$BATS_FILE_TMPDIR
    log=$BATS_TEST_TMPDIR/log
    stderr=$BATS_TEST_TMPDIR/stderr
}

# compiler FLAG...: the one that the library was built with; another libc may want flags of its own.
compiler()
{
    # shellcheck disable=SC2086 # words
    ${CC:-gcc} ${PROGRAM_FLAGS-} "$@"
}

# program NAME FLAG...: builds it.
program()
{
    compiler -w -pthread "${@:2}" -o "$1" "$BATS_TEST_DIRNAME/stack_program.c"
}

# explained PROGRAM CASE [ARGUMENT]: runs it in warn; what it wrote is in $stderr.
explained()
{
    preloaded warn "$@" >stdout 2>"$stderr" || fail "status $?: $(<"$stderr")"
}

# logged PROGRAM CASE [ARGUMENT]: runs it in mode log, with the events in $log.
logged()
{
    rm -f "$log"
    SAFECLOSE_LOG=$log preloaded log "$@" >stdout 2>"$stderr" || fail "status $?: $(<"$stderr")"
    [[ ! -s $stderr ]] || fail "$(<"$stderr")"
}

# named MODULE: of each stack on stderr, in a line, the functions of this module.
named()
{
    awk -v module="${1##*/}" '
        /^safeclose:   at: / { if (n++) print line; line = ""; at = 1; sub(/  at:/, "     ") }
        /^safeclose:       [^ ]/ && at {
            name = $2
            if (sub(/^[^(]*\(/, "", name) && index($2, substr(module, 1, 64) "(") == 1) {
                sub(/\+0x[0-9a-f]+\)$/, "", name)
                line = line (line == "" ? "" : " ") name
            }
            next
        }
        { at = 0 }
        END { if (n) print line }' "$stderr"
}

# resolved MODULE COPY: the same, of the stacks in $log, as nm knows the unstripped copy.
resolved()
{
    python3 - "$log" "$@" <<'END'
import bisect, json, subprocess, sys
log, module, copy = sys.argv[1:]
functions = []
for line in subprocess.check_output(["nm", "--defined-only", copy], text=True).splitlines():
    address, kind, name = line.split()
    if kind in "tTwW" and not name.startswith(("_init", "_fini")):
        functions.append((int(address, 16), kind == "t", name))
functions.sort(key=lambda f: f[0])
starts = [f[0] for f in functions]
for line in open(log):
    event = json.loads(line)
    if event["event"] != "close":
        continue
    names = []
    for frame in event["stack"]:
        path, plus, address = frame.rpartition("+")
        if path == module:
            names.append(functions[bisect.bisect(starts, int(address, 16) - 1) - 1][2])
    print(" ".join(names))
END
}

# named_by_command: what the commands say that stand behind the stacks on stderr for this module, run as
# they are.
named_by_command()
{
    local command
    while IFS= read -r command; do
        $command | sed 's/ at .*//' | paste -sd ' '
    done < <(grep -F "addr2line -Cfipe $1 " "$stderr" | sed 's/^safeclose:   names: //')
}

three_faults='close_politely serve_request three main _start
worker
give_up three main _start'

# ---- How the program was built ---------------------------------------------------------------------------

# three_faults PROGRAM [COPY]: three call sites are explained, and both logs have the right functions.
names_three_faults()
{
    explained "$1" three
    same "$three_faults" "$(named "$1")"
    logged "$1" three
    same "$three_faults" "$(resolved "$1" "${2-$1}")"
}

@test "three faulty closes are three call sites with the right functions" {
    names_three_faults "$at/pie"
    names_three_faults "$at/fixed"
}

@test "stripped: the addresses are right, and the command for them stands there" {
    local kind
    for kind in pie fixed; do
        cp "$at/$kind-stripped" program
        explained "$PWD/program" three
        same 3 "$(grep -c '^safeclose:   at: ' "$stderr")"
        same '' "$(named program | tr -d '\n')"
        mv program stripped
        cp "$at/$kind" program
        same "$three_faults" "$(named_by_command "$PWD/program")"
        mv stripped program
        logged "$PWD/program" three
        same "$three_faults" "$(resolved "$PWD/program" "$at/$kind")"
    done
}

@test "not optimised, with frame pointers" {
    program O0 -O0 -fno-omit-frame-pointer
    names_three_faults "$PWD/O0"
}

@test "built by clang" {
    CC=clang program clang -O2 -fomit-frame-pointer
    names_three_faults "$PWD/clang"
}

@test "built with what distributions harden" {
    [[ $(uname -m) != x86_64 ]] || extra=(-fcf-protection=full)
    program hardened -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
        -Wl,-z,relro,-z,now,-z,separate-code "${extra[@]}"
    names_three_faults "$PWD/hardened"
}

@test "in one segment with its headers, without a build id" {
    program dense -O2 -Wl,-z,noseparate-code,--build-id=none,--hash-style=sysv
    names_three_faults "$PWD/dense"
}

# What is left is what libc's own tables lead to: the caller of exit.
@test "without unwind tables: the call site alone, and still right" {
    program bare -O2 -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer
    explained "$PWD/bare" three
    same $'close_politely\nworker\ngive_up' "$(named bare)"
    logged "$PWD/bare" three
    same $'close_politely\nworker\ngive_up' "$(resolved "$PWD/bare" bare)"
}

# ---- Call sites -----------------------------------------------------------------------------------------------

@test "a helper called from several places is explained for each, the same place once" {
    explained "$at/pie" places
    same 4 "$(grep -c 'RST \[unread-data\]' "$stderr")"
    same $'close_politely first_place places main _start\nclose_politely second_place places main _start' \
        "$(named pie)"
}

# stack_of FRAMES DEPTH: how many frames an event has, and how many of them are of the recursion.
stack_of()
{
    SAFECLOSE_STACK=$1 logged "$short/p" deep "$2"
    json "$log" 'assert not closes[0]["truncated"]; print(len(closes[0]["stack"]))'
    resolved "$short/p" "$at/pie" | tr ' ' '\n' | grep -c recursion || true
}

@test "SAFECLOSE_STACK says how many frames" {
    # A line of 2048 bytes has no room for 32 long paths.
    short=$(mktemp -d /tmp/stack.XXXX)
    ln "$at/pie" "$short/p" || cp "$at/pie" "$short/p"
    are_as_many_as_asked_for
    rm -r "$short"
}

are_as_many_as_asked_for()
{
    same $'0\n0' "$(stack_of 0 100)"
    same $'1\n0' "$(stack_of 1 100)"
    same $'4\n3' "$(stack_of 4 100)"
    same $'16\n15' "$(stack_of 16 100)"
    same $'32\n31' "$(stack_of 32 100)"
    matches $'^1[0-2]\n5$' "$(stack_of 32 5)"
}

@test "a line has the first frames, and says so where there were more" {
    local long
    printf -v long '%0200d' 1
    mkdir "$long"
    cp "$at/pie" "$long/program"
    SAFECLOSE_STACK=32 logged "$PWD/$long/program" deep 100
    json "$log" 'assert closes[0]["truncated"] and 2 < len(closes[0]["stack"]) < 9, closes[0]'
    matches '^close_politely recursion recursion[ recursion]*$' "$(resolved "$PWD/$long/program" "$at/pie")"
}

@test "without frames a text log has no stack" {
    SAFECLOSE_STACK=0 explained "$at/pie" places
    same 0 "$(grep -c ' at:\|names:' "$stderr")"
    # The hook's caller is all that tells places apart then.
    same 1 "$(grep -c 'why:' "$stderr")"
}

# ---- Doors and places -----------------------------------------------------------------------------------------

@test "the first frame is the program's own caller of each door" {
    logged "$at/pie" doors
    same $'door_fclose doors\ndoor_dup2 doors\ndoor_close_range doors\ndoor_syscall doors\ndoor_exit_now' \
        "$(resolved "$at/pie" "$at/pie" | sed 's/ main _start//')"
    json "$log" 'for e in closes: assert "/pie+0x" in e["stack"][0], e["stack"]
assert [e["via"] for e in closes] == ["fclose", "dup2", "close_range", "syscall", "_exit"]'
}

@test "in a fork child" {
    explained "$at/pie" fork
    same 'close_politely child_closes fork_child main _start' "$(named pie)"
}

# The function is interrupted at its first instruction; the byte before it belongs to another.
@test "in a signal handler, also on a stack of its own: through it into the interrupted function" {
    local where
    for where in same alternate; do
        explained "$at/pie" handler "$where"
        same 'close_politely handler interrupted interrupts in_handler main _start' "$(named pie)"
        logged "$at/pie" handler "$where"
        same 'close_politely handler interrupted interrupts in_handler main _start' \
            "$(resolved "$at/pie" "$at/pie")"
    done
}

@test "from code that is in no module" {
    explained "$at/pie" made
    same 1 "$(grep -cE '^safeclose:   at: in no module \[0x[0-9a-f]+\]$' "$stderr")"
    logged "$at/pie" made
    json "$log" 'import re
assert re.match(r"0x[0-9a-f]+$", closes[0]["stack"][0]), closes[0]["stack"]'
}

@test "errno and the signal mask are as they were" {
    local frames mode
    for frames in 0 16; do
        for mode in log warn; do
            SAFECLOSE_STACK=$frames preloaded "$mode" "$at/pie" unchanged >stdout 2>"$stderr"
            same 'errno and the signal mask are as they were' "$(<stdout)"
        done
    done
}

# ---- Files ------------------------------------------------------------------------------------------------------

# close_in_library(fd), and a function of the same size that stands where it does in the other library.
make_libraries()
{
    local real="void NAME(int fd) { close(fd); __asm__ volatile(\"\" ::: \"memory\"); }"
    printf '#include <unistd.h>\n%s\n%s\n' "${real/NAME/close_in_library}" "${real/NAME/quite_another}" |
        compiler -O2 -shared -fPIC -x c -o library.so -
    printf '#include <unistd.h>\n%s\n%s\n' "${real/NAME/quite_another}" "${real/NAME/close_in_library}" |
        compiler -O2 -shared -fPIC -x c -o other.so -
}

@test "in a library that was loaded at run time" {
    make_libraries
    explained "$at/pie" library "$PWD/library.so"
    same close_in_library "$(named library.so)"
    same 'library main _start' "$(named pie)"
    logged "$at/pie" library "$PWD/library.so"
    same close_in_library "$(resolved "$PWD/library.so" library.so)"
}

@test "a library's file that was replaced meanwhile gives no names" {
    make_libraries
    same "$(stat -c %s library.so)" "$(stat -c %s other.so)"
    export MEET=yes
    begin preloaded warn "$at/pie" library "$PWD/library.so" 2>"$stderr"
    hear ready
    mv other.so library.so
    go_on
    finish
    same 0 "$status"
    same 'library main _start' "$(named pie)"
    same '' "$(named library.so)"
    matches "at: library.so \[0x.*names: addr2line -Cfipe $PWD/library.so 0x" "$(<"$stderr")"
}

# replaced_while_running COMMAND...: makes another file of ./program while it runs.
replaced_while_running()
{
    cp "$at/pie" program
    begin preloaded warn "$PWD/program" meeting 2>"$stderr"
    hear ready
    "$@"
    go_on
    finish
    same 0 "$status"
    same 'close_politely serve_request after_meeting main _start' "$(named program)"
}

@test "an executable's names are those of what is running, whatever became of its file" {
    cp "$at/fixed" other
    replaced_while_running mv other program
    replaced_while_running rm program
}

# What the kernel takes for the executable is the loader then.
@test "a program that the loader was started with has its own path" {
    local loader
    loader=$(readelf -lW "$at/pie" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    explained "$loader" "$at/pie" three
    same "$three_faults" "$(named pie)"
    logged "$loader" "$at/pie" three
    same "$three_faults" "$(resolved "$at/pie" "$at/pie")"
}

@test "with no descriptor left but the one that was closed: it is enough to read the names" {
    cp "$at/pie" program
    explained "$PWD/program" poor
    same 'close_politely poor main _start' "$(named program)"
}

@test "a symbol table that would take too long to read: the command stands there" {
    cp "$at/pie" program
    python3 - program <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
# Where these are: the headers' place and number; how long one is, and where it has the section's size.
word, place, number, length, size = ("<Q", 0x28, 0x3c, 64, 32) if data[4] == 2 else ("<I", 0x20, 0x30, 40, 20)
headers, = struct.unpack_from(word, data, place)
count, = struct.unpack_from("<H", data, number)
for at in range(headers, headers + length * count, length):
    if struct.unpack_from("<I", data, at + 4)[0] == 2:  # SHT_SYMTAB
        struct.pack_into(word, data, at + size, (4 << 20) + 48)
open(sys.argv[1], "wb").write(data)
END
    explained "$PWD/program" three
    same '' "$(named program | tr -d '\n')"
    cp "$at/pie" program
    same "$three_faults" "$(named_by_command "$PWD/program")"
}

@test "in a root without the files" {
    [[ $EUID == 0 ]] || skip "needs root"
    mkdir root
    explained "$at/pie-stripped" root "$PWD/root"
    same 1 "$(grep -c "names: addr2line -Cfipe $at/pie-stripped " "$stderr")"
    logged "$at/pie" root "$PWD/root"
    same 'close_politely serve_request in_root main _start' "$(resolved "$at/pie" "$at/pie")"
}

@test "with a very long path" {
    local long
    printf -v long '%0200d/' 1 2 3 4
    mkdir -p "$long"
    cp "$at/pie" "$long/program"
    explained "$PWD/${long}program" three
    same "$three_faults" "$(named program)"
    strip "$long/program"
    explained "$PWD/${long}program" three
    cp "$at/pie" "$long/program"
    same "$three_faults" "$(named_by_command "$PWD/${long}program")"
}

# Longer than the library keeps: that it does not crash is enough.
@test "with a path as long as a path can be" {
    local long i
    printf -v long '%0250d' 0
    for ((i = 0; i < 14; i++)); do
        mkdir "$long"
        cd "$long"
    done
    cp "$at/pie" program
    explained ./program three
    same 3 "$(grep -c '(close_politely\|(worker\|(give_up' "$stderr")"
    logged ./program three
    json "$log" 'assert [e["truncated"] for e in closes] == [True] * 3, closes'
}

@test "C++: names as the linker has them, which addr2line makes readable" {
    cat >shop.cc <<'END'
#include <unistd.h>
namespace shop {
struct server {
    __attribute__((noipa)) void answer(int fd) { close(fd); __asm__ volatile("" ::: "memory"); }
};
}
extern "C" void close_in_library(int fd) { shop::server().answer(fd); __asm__ volatile("" ::: "memory"); }
END
    g++ -O2 -shared -fPIC -fvisibility-inlines-hidden -o shop.so shop.cc
    explained "$at/pie" library "$PWD/shop.so"
    same '_ZN4shop6server6answerEi close_in_library' "$(named shop.so)"
    cp shop.so whole.so
    strip shop.so
    explained "$at/pie" library "$PWD/shop.so"
    same close_in_library "$(named shop.so)"
    mv whole.so shop.so
    matches '^shop::server::answer\(int\)( |$)' "$(named_by_command "$PWD/shop.so")"
}

# shop_named NAME: a library with a function in a C++ namespace of this name.
shop_named()
{
    printf '#include <unistd.h>\nnamespace %s { __attribute__((noipa)) void answer(int fd) { close(fd); __asm__ volatile("" ::: "memory"); } }
extern "C" void close_in_library(int fd) { %s::answer(fd); __asm__ volatile("" ::: "memory"); }\n' "$1" "$1" |
        g++ -O2 -shared -fPIC -x c++ -o shop.so -
    explained "$at/pie" library "$PWD/shop.so"
}

@test "C++: a long name is shown whole, and one that is too long not at all" {
    local name
    for length in 200 970; do
        printf -v name "n%0$((length - 1))d" 0
        shop_named "$name"
        same "_ZN$length${name}6answerEi close_in_library" "$(named shop.so)"
        same "$name::answer(int)" "$(named shop.so | cut -d' ' -f1 | c++filt)"
    done
    printf -v name 'n%01100d' 0
    shop_named "$name"
    matches 'at: shop.so \[0x[0-9a-f]+\]' "$(<"$stderr")"
    same close_in_library "$(named shop.so)"
    matches "$name.*answer" "$(named_by_command "$PWD/shop.so")"
}

@test "a long name that is not mangled is cut" {
    local name
    printf -v name 'n%0120d' 0
    printf '#include <unistd.h>\n__attribute__((noipa)) void %s(int fd) { close(fd); __asm__ volatile("" ::: "memory"); }
void close_in_library(int fd) { %s(fd); __asm__ volatile("" ::: "memory"); }\n' "$name" "$name" |
        compiler -O2 -shared -fPIC -x c -o library.so -
    explained "$at/pie" library "$PWD/library.so"
    grep -qE "^safeclose:   at: library.so\(${name:0:96}\.\.\.\+0x[0-9a-f]+\) \[0x[0-9a-f]+\]$" "$stderr" ||
        fail "$(<"$stderr")"
}

@test "frames without a name that follow each other in a module share a line" {
    explained "$at/pie-stripped" three
    # Four of the program, and then libc's, between main and _start.
    matches '^safeclose:   at: pie-stripped \[0x[0-9a-f]+( 0x[0-9a-f]+){3}\]$' "$(grep -m 1 ' at: ' "$stderr")"
    matches '^safeclose:       libc' "$(grep -m 1 -A 1 ' at: ' "$stderr" | tail -n 1)"
}

# ---- Tables that are wrong ----------------------------------------------------------------------------------------

# broken WHAT PROGRAM...: 100 times each. Were the damage never read, this would show nothing: it must have
# changed stacks.
broken()
{
    local program
    for program in "${@:2}"; do
        run python3 "$BATS_TEST_DIRNAME/stack_broken.py" "$LIBSAFECLOSE" "$program" many 100 "$RANDOM" "$1"
        ((status == 0 && output > 10)) || fail "$output"
    done
}

# The last has pages between its segments that can't be read, as where pages are large.
@test "with unwind tables that are broken in hundreds of ways nothing differs but the stack" {
    program "$at/spread" -O2 -Wl,-z,max-page-size=0x200000
    broken tables "$at/pie" "$at/fixed" "$at/spread"
}

@test "with symbols that are broken in a hundred ways nothing differs but the names" {
    broken symbols "$at/pie"
}

# ---- A debugger ------------------------------------------------------------------------------------------------------

debugged()
{
    local stop=()
    rm -f "$log"
    for _ in 1 2 3; do stop+=(-ex bt -ex continue); done
    run -0 env -u DEBUGINFOD_URLS gdb -nx -batch -ex 'set breakpoint pending on' \
        -ex "set exec-wrapper env LD_PRELOAD=$LIBSAFECLOSE SAFECLOSE_LOG=$log" \
        -ex 'break safeclose_reset_ahead' -ex run "${stop[@]}" --args "$at/pie" three
}

@test "gdb stops before each reset: the faulty function is in sight" {
    debugged
    same 3 "$(grep -cE '^#0 .*safeclose_reset_ahead' <<<"$output")"
    same $'close_politely\nserve_request\nthree\nworker\ngive_up\nthree' \
        "$(grep -v ' at shim/' <<<"$output" | grep -oE ' in (close_politely|serve_request|three|worker|give_up) ' |
            cut -d ' ' -f 3)"
}
