#!/usr/bin/env bats
# safeclose run: it becomes the command, with the library and its settings, and nothing else is
# different: status, process, descriptors, signals, environment. What is in force is seen in the
# command, in /proc and in the kernel's counters.

# shellcheck disable=SC2016 # much here is for an inner shell

load ../support/helper

safeclose=$top/safeclose
setup()
{
    cd "$BATS_TEST_TMPDIR" || return
}

# option NAME: LINGER_IDLE as an option.
option()
{
    local name=${1,,}
    echo "--${name//_/-}"
}

setting_names()
{
    sed -nE 's/^OPTION\([a-z_]+, "([A-Z_]+)".*/\1/p' "$top/shim/settings/options.def"
}

# refused STATUS PATTERN ARGUMENT...: nothing is started, and stderr has it in one line.
refused()
{
    local wanted=$1 pattern=$2
    shift 2
    run -"$wanted" --separate-stderr "$safeclose" run "$@"
    same '' "$output"
    matches "^safeclose: unable to $pattern\$" "${stderr_lines[0]}"
}

# ---- the command itself ----------------------------------------------------------------------

@test "the status is the command's own" {
    for number in 0 1 7 125 126 127 255; do
        run -"$number" "$safeclose" run -- sh -c "exit $number"
    done
}

@test "a signal that ends the command ends it for its parent, too" {
    for signal in TERM KILL SEGV; do
        run -0 sh -c "'$safeclose' run sh -c 'kill -$signal \$\$'; kill -l \$(( \$? - 128 ))"
        same "$signal" "${lines[-1]}"
    done
}

@test "it forks nothing: the process is the command's" {
    "$safeclose" run sh -c 'echo $$' >pid &
    wait $!
    same "$!" "$(<pid)"
    strace -f -o calls -e trace=process "$safeclose" run true
    same 0 "$(grep -cE 'clone|fork' calls)"
    same 2 "$(grep -c execve calls)"
}

@test "arguments reach the command as they are" {
    run -0 "$safeclose" run printf '[%s]\n' -m '' 'a b' -- --help '*'
    same '[-m]
[]
[a b]
[--]
[--help]
[*]' "$output"
}

@test "-- ends the options" {
    run -0 "$safeclose" run -m log -- sh -c 'echo $SAFECLOSE_MODE "$@"' name -m warn
    same 'log -m warn' "$output"
}

@test "the command has the descriptors that it would have without, closed ones included" {
    cat >descriptors.py <<'EOT'
import os, sys
links = {}
for number in os.listdir("/proc/self/fd"):
    try:
        links[int(number)] = os.readlink("/proc/self/fd/" + number)
    except OSError:
        pass # the directory's own
with open(sys.argv[1], "w") as out:
    out.write("\n".join("%d %s" % pair for pair in sorted(links.items())))
EOT
    exec 7<"$safeclose"
    for closed in ':' 'exec 0<&-' 'exec 0<&- 1>&-' 'exec 2>&-' 'exec 0<&- 1>&- 2>&-'; do
        bash -c "$closed"'; exec "$@"' - python3 descriptors.py bare </dev/null >out 2>err
        bash -c "$closed"'; exec "$@"' - "$safeclose" run python3 descriptors.py with </dev/null >out 2>err
        matches "7 $safeclose" "$(<bare)"
        same "$(<bare)" "$(<with)"
    done
}

@test "ignored and blocked signals stay so" {
    cat >masks.py <<'EOT'
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
os.execvp(sys.argv[1], sys.argv[1:])
EOT
    bare=$(python3 masks.py grep ^Sig[BIC] /proc/self/status)
    matches 'SigBlk:	0+4200' "$bare"
    same "$bare" "$(python3 masks.py "$safeclose" run grep ^Sig[BIC] /proc/self/status)"
}

@test "the environment is the same but for LD_PRELOAD and what was asked for" {
    export ODD=$'a\nb' EMPTY=
    env -0 | tr '\0' '\n' | grep -v '^_=' | sort >bare
    "$safeclose" run -m drain --linger-idle 7s env -0 | tr '\0' '\n' | grep -v '^_=' | sort >with
    run diff bare with
    same "> LD_PRELOAD=$top/libsafeclose.so
> SAFECLOSE_LINGER_IDLE=7s
> SAFECLOSE_MODE=drain" "$(grep '^[<>]' <<<"$output")"
}

# ---- what is in force ------------------------------------------------------------------------

@test "the library is loaded in the command and in its children" {
    run -0 "$safeclose" run sh -c 'cat /proc/self/maps; true'
    matches "$top/libsafeclose.so" "$output"
}

@test "log resets as without the library, and drain and linger do not" {
    same 1 "$(counted TCPAbortOnClose "$speaker" unread 2>/dev/null)"
    same 1 "$(counted TCPAbortOnClose "$safeclose" run -m log "$speaker" unread 2>/dev/null)"
    same 0 "$(counted TCPAbortOnClose "$safeclose" run -m drain "$speaker" unread 2>/dev/null)"
    same 0 "$(counted TCPAbortOnClose "$safeclose" run --mode=linger "$speaker" unread 2>/dev/null)"
}

# What a program was started with: it may have taken some of it out.
prints=(cat /proc/self/environ)

settings_in()
{
    tr '\0' '\n' | grep ^SAFECLOSE_
}

@test "every setting is an option, with = or as two words, and --help has it" {
    values=(MODE=drain LOG=none FORMAT=json EVENTS=all 'PORTS=80,8000-8099' 'PROGRAMS=a,b' STACK=7 PREVIEW=9
        DISCARD_MAX=3M LINGER_IDLE=7s LINGER_TIME=8s EXIT_WAIT=0 SUMMARY=9m CONTROL=/run/mode INHERITED=sole)
    run -0 "$safeclose" run --help
    help=$output
    checked=0
    for name in $(setting_names); do
        for value in "${values[@]}"; do
            [[ $value == "$name="* ]] || continue
            same "SAFECLOSE_$value" "$("$safeclose" run "$(option "$name")=${value#*=}" "${prints[@]}" | settings_in)"
            same "SAFECLOSE_$value" "$("$safeclose" run "$(option "$name")" "${value#*=}" "${prints[@]}" | settings_in)"
            matches "$(option "$name")=VALUE" "$help"
            checked=$((checked + 1))
        done
    done
    same "$(setting_names | wc -l)" "$checked"
}

@test "an option wins over the environment" {
    same SAFECLOSE_MODE=log "$(SAFECLOSE_MODE=drain "$safeclose" run -m log env | grep ^SAFECLOSE_)"
    same SAFECLOSE_MODE=log "$(SAFECLOSE_MODE=nonsense "$safeclose" run -m log env | grep ^SAFECLOSE_)"
}

@test "-o FILE has the events in JSON, and explanations go to stderr" {
    SAFECLOSE_FORMAT=text run -0 --separate-stderr "$safeclose" run -o events "$speaker" unread
    json events 'assert len(closes) == 1 and closes[0]["outcome"] == "rst"'
    matches 'why: Linux resets' "$stderr"
}

@test "-o takes a file even where its name is a word" {
    "$safeclose" run -m log -o stderr "$speaker" unread
    json stderr 'assert len(closes) == 1'
}

@test "--format wins over what -o means" {
    "$safeclose" run -m log --format=text -o events "$speaker" unread
    matches 'RST \[unread-data\]' "$(<events)"
}

# ---- LD_PRELOAD ------------------------------------------------------------------------------

preload_of()
{
    "$@" env 2>/dev/null | sed -n 's/^LD_PRELOAD=//p'
}

@test "what LD_PRELOAD has already stays, behind the library" {
    other=$programs/malloc_lib.so
    same "$top/libsafeclose.so:$other:/b/c.so" "$(LD_PRELOAD=" $other: /b/c.so" preload_of "$safeclose" run)"
    run -0 env LD_PRELOAD="$other" "$safeclose" run cat /proc/self/maps
    matches malloc_lib.so "$output"
}

@test "another copy of the library in LD_PRELOAD goes" {
    same "$top/libsafeclose.so:/b/c.so" "$(LD_PRELOAD="/usr/local/lib/libsafeclose.so:/b/c.so" preload_of "$safeclose" run 2>/dev/null)"
}

@test "an LD_PRELOAD of 100,000 bytes stays whole" {
    long=$(printf '/nowhere/%05d.so:' {1..6000})
    same "$top/libsafeclose.so:${long%:}" "$(LD_PRELOAD=$long preload_of "$safeclose" run)"
}

@test "the library is not named twice" {
    same "$top/libsafeclose.so" "$(preload_of "$safeclose" run "$safeclose" run)"
}

@test "an AddressSanitizer program runs, its runtime first" {
    echo 'int main(void) { return 3; }' | gcc -x c -fsanitize=address -o asan -
    run -1 --separate-stderr env LD_PRELOAD="$top/libsafeclose.so" ./asan
    matches 'does not come first' "$stderr"
    run -3 --separate-stderr "$safeclose" run ./asan
    same '' "$stderr"
}

@test "AddressSanitizer's runtime in LD_PRELOAD stays before the library" {
    asan=$(gcc -print-file-name=libasan.so)
    same "$asan:$top/libsafeclose.so:/b.so" \
        "$(ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="/b.so:$asan" preload_of "$safeclose" run)"
}

# ---- what is refused -------------------------------------------------------------------------

@test "a value that is not allowed: 125, and nothing is started" {
    for name in $(setting_names); do
        value=%
        [[ $name != PROGRAMS ]] || value=,
        [[ $name != CONTROL ]] || value=''
        refused 125 "use $(option "$name")=\"$value\": must be .*" "$(option "$name")=$value" touch started
        refused 125 "use $(option "$name")=\"$value\": must be .*" "$(option "$name")" "$value" touch started
        export "SAFECLOSE_$name=$value"
        refused 125 "use SAFECLOSE_$name=\"$value\" from the environment: must be .*" touch started
        unset "SAFECLOSE_$name"
    done
    [ ! -e started ]
}

@test "a bad value is told with what is allowed" {
    refused 125 'use --mode="fast": must be off, log, warn, drain or linger' -m fast true
    refused 125 'use --linger-idle="5": must be a duration of at most 24h with its unit, such as 500ms or 5s' \
        --linger-idle 5 true
}

@test "a value can't drive the terminal" {
    refused 125 'use --mode=".x1b\[31mred.x0a": must be .*' $'--mode=\033[31mred\n' true
}

@test "a variable that is no setting: 125" {
    export SAFECLOSE_MOED=log
    refused 125 'use SAFECLOSE_MOED from the environment: no such setting; unset it, .*' true
}

@test "options that there are not, or that lack something: 125" {
    refused 125 'understand --colour: no such option.*' --colour true
    refused 125 'understand --linger=5s: no such option, or the abbreviation of several.*' --linger=5s true
    refused 125 'understand -x: no such option.*' -x true
    refused 125 'use --mode: it needs a value.*' --mode
    refused 125 'use -o: it needs a value.*' -o
    refused 125 'run: no command given.*'
    refused 125 'run: no command given.*' -m log --
}

@test "a file that events can't go to: 125" {
    refused 125 'write events to "/nowhere/log": No such file or directory' -o /nowhere/log true
    refused 125 'write events to ".": it is a directory' -o . true
    refused 125 'use -o "-": must be the name of a file; .*' -o - true
}

@test "a command that is not there: 127" {
    refused 127 'run nonsense_command: not found in PATH' nonsense_command
    refused 127 'run ./nonsense: No such file or directory' ./nonsense
    refused 127 'run ./nonsense/x: No such file or directory' ./nonsense/x
    cp "$(type -P true)" here
    refused 127 'run here: not found in PATH; for the one in this directory write ./' here
    run -127 --separate-stderr env PATH=/nowhere "$safeclose" run true
    same 'safeclose: unable to run true: not found in PATH' "$stderr"
}

@test "a command that can't be run: 126" {
    touch plain
    mkdir -p bin/directory
    refused 126 'run ./plain: it is not executable' ./plain
    refused 126 'run ./bin: it is a directory' ./bin
    refused 127 'run ./plain/x: Not a directory' ./plain/x
    PATH=$PWD/bin:$PATH refused 126 'run .*/bin/directory: it is not executable' directory
}

@test "PATH is searched as the shell does: what can't be run is passed over" {
    mkdir -p one/it two three
    printf '#!/bin/sh\necho two\n' >two/it
    printf '#!/bin/sh\necho three\n' >three/it
    chmod +x three/it
    same three "$(PATH=$PWD/nowhere:$PWD/one:$PWD/two:$PWD/three:$PATH "$safeclose" run it)"
    chmod +x two/it
    cd two
    same two "$(PATH=:$PATH "$safeclose" run it)"
    same 0 "$(env -u PATH "$safeclose" run sh -c 'echo $?')"
}

@test "a script without #! is the shell's, with its arguments" {
    echo 'echo "$0 $# $2"; exit 5' >script
    chmod +x script
    run -5 "$safeclose" run ./script a 'b c'
    same './script 2 b c' "$output"
}

@test "what can't be preloaded: 126, with the reason and what to do" {
    echo 'int main(void) { return 0; }' | gcc -x c -static -o static -
    refused 126 'preload into ./static: it is linked statically: no library can be preloaded' ./static
    matches 'what you can do: link it dynamically' "$stderr"
    echo 'int main(void) { return 0; }' | gcc -x c -static-pie -o pie -
    refused 126 'preload into ./pie: it is linked statically \(static-pie\).*' ./pie
    python3 "$top/tests/cli/cli_elf.py" go go=note
    refused 126 'preload into ./go: it is a Go program: .*' ./go
    python3 "$top/tests/cli/cli_elf.py" i386 bits=32 machine=3 interp=/lib/ld-linux.so.2
    refused 126 'preload into ./i386: it is 32-bit i386, but the library is 64-bit .*' ./i386
}

@test "a setuid program of somebody else: 126, as the loader would leave the library out" {
    cp "$(type -P cat)" other
    chown 65534 other 2>/dev/null || skip 'only root can make one'
    chmod 4755 other
    refused 126 'preload into ./other: it is setuid \(to user 65534\): the loader ignores LD_PRELOAD' ./other
    same 0 "$(LD_PRELOAD=$top/libsafeclose.so ./other /proc/self/maps | grep -c libsafeclose)"
}

@test "a command that can't be read, but be run, is run" {
    cp "$(type -P true)" unreadable
    chmod 111 unreadable
    setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null || skip 'only root can be somebody else'
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    cp "$safeclose" "$top/libsafeclose.so" .
    run -0 setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose run ./unreadable
}

# ---- where the library is --------------------------------------------------------------------

@test "without the library beside it: 125, with where it was looked for" {
    mkdir place
    cp "$safeclose" place
    run --separate-stderr place/safeclose run true
    same 125 "$status"
    same "safeclose: unable to find libsafeclose.so: it is not in $PWD/place, the directory of this command; to build both: make" \
        "$stderr"
}

@test "a place that LD_PRELOAD can't name: 125, with what to do" {
    for place in 'a b' a:b 'a$LIB'; do
        mkdir "$place"
        cp "$safeclose" "$top/libsafeclose.so" "$place"
        run --separate-stderr "$place/safeclose" run true
        same 125 "$status"
        matches "^safeclose: unable to preload \"$PWD/.*/libsafeclose.so\": LD_PRELOAD can't hold a path .*install it somewhere else" \
            "$stderr"
    done
}

@test "a library that is none: 125" {
    mkdir place
    cp "$safeclose" place
    echo nonsense >place/libsafeclose.so
    run --separate-stderr place/safeclose run true
    same 125 "$status"
    same "safeclose: unable to use $PWD/place/libsafeclose.so: it is not an ELF file; to build it again: make" "$stderr"
}

@test "by a link the command finds the library all the same" {
    ln -s "$safeclose" linked
    run -0 ./linked run env
    matches "LD_PRELOAD=$top/libsafeclose.so" "$output"
}

# ---- help ------------------------------------------------------------------------------------

@test "help and version go to standard output, within 100 columns and without colours" {
    for words in --help -h --version -V 'run --help' 'run -h' 'check --help' 'run -m log --help'; do
        # shellcheck disable=SC2086 # one word or more
        run -0 --separate-stderr "$safeclose" $words
        same '' "$stderr"
        [[ -n $output && $output != *$'\033'* ]]
        same '' "$(grep -E '.{101}' <<<"$output" || true)"
    done
}

@test "help names nothing that there is not" {
    run -0 "$safeclose" --help
    while read -r name; do
        run -0 "$safeclose" "$name" --help
    done < <(sed -n 's/^  \([a-z]*\)  .*/\1/p' <<<"$output")
}

@test "without a command, or with one that there is not: 125" {
    run --separate-stderr "$safeclose"
    same 125 "$status"
    same '' "$output"
    run --separate-stderr "$safeclose" explode
    same 125 "$status"
    same 'safeclose: unable to understand "explode": no such command; try: safeclose --help' "$stderr"
}

@test "help that can't be written: 125" {
    run --separate-stderr sh -c "'$safeclose' run --help >/dev/full"
    same 125 "$status"
    same 'safeclose: unable to write to standard output: No space left on device' "$stderr"
}
