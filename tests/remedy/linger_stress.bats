#!/usr/bin/env bats
# Many connections at a time, which a server with threads, forks and signal handlers closes in every way
# there is (linger_stress.c). The peers are always late with something, and have the verdict.

load ../support/helper

log=$BATS_TEST_TMPDIR/events
server=$programs/linger_stress
export SAFECLOSE_LINGER_IDLE=90s SAFECLOSE_LINGER_TIME=90s SAFECLOSE_EXIT_WAIT=90s

# stress PRELOAD [-fs] COUNT SEED: what is said is in $output, what the library logs in $log.
stress()
{
    rm -f "$log"
    PRELOAD=$1 SAFECLOSE_MODE=linger SAFECLOSE_LOG=$log timeout 60 "$server" "${@:2}" \
        >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- || fail "$(tail "$BATS_TEST_TMPDIR/err")"
    output=$(<"$BATS_TEST_TMPDIR/out")
}

# explained COUNT: the server ended well, and who did not get every byte, or was sent a reset, had one of
# those connections that the library says it left alone.
explained()
{
    local broken
    matches 'server 0' "$output" || fail "$(tail "$BATS_TEST_TMPDIR/err")"
    [[ $output =~ whole\ ([0-9]+)\ of\ $1 ]] || fail "$output"
    broken=$(($1 - BASH_REMATCH[1]))
    json "$log" "
left = sum(e['actions']['passed'] + e['actions']['drained'] + e['linger_ends']['in-use'] for e in summaries)
assert $broken <= left, ($broken, left)
assert not any(e['outcomes']['rst'] for e in summaries), summaries"
}

@test "one thread and its signal handler: every byte arrives, and no reset is sent before its end" {
    stress '' -s 100 1
    [[ $output != *'resets 0'* ]] || fail "no reset without the library"
    stress "$LIBSAFECLOSE" -s 1000 2
    # The server does not wait for peers when it ends.
    local line=$'\n'
    [[ $output =~ ^server\ 0"$line"whole\ 1000\ of\ 1000"$line"resets\ ([0-9]+)$ ]] ||
        fail "$output" "$(tail "$BATS_TEST_TMPDIR/err")"
    json "$log" "assert ${BASH_REMATCH[1]} <= sum(e['linger_ends']['exit'] for e in summaries), summaries"
}

@test "one thread that forks: who does not get every byte was left alone, and the log says so" {
    stress "$LIBSAFECLOSE" -fs 500 3
    explained 500
}

@test "threads and their signal handlers: who does not get every byte was left alone, and the log says so" {
    stress "$LIBSAFECLOSE" 1000 4
    explained 1000
}

@test "threads that fork: who does not get every byte was left alone, and the log says so" {
    stress "$LIBSAFECLOSE" -f 500 5
    explained 500
}

# instrument KIND RUNTIME...: builds the server so, as $server; what must be preloaded first is in $runtimes.
instrument()
{
    local runtime
    runtimes=''
    for runtime in "${@:2}"; do
        runtime=$(gcc -print-file-name="$runtime")
        [[ -e $runtime ]] || skip "no $runtime"
        runtimes+=$runtime:
    done
    server=$BATS_TEST_TMPDIR/server
    gcc -std=gnu11 -O1 -g -pthread "-fsanitize=$1" -I"$top/tests/support" -o "$server" \
        "$top/tests/remedy/linger_stress.c" "$top"/tests/support/{net,net_answers,play}.c
}

# nothing_to_complain_of LIBRARY [-fs]: in the instrumented program, with that library.
nothing_to_complain_of()
{
    stress "$runtimes$1" "${@:2}" 300 6
    explained 300
    if grep -aE 'Sanitizer|runtime error' "$BATS_TEST_TMPDIR/err"; then
        fail "$(head -n 60 "$BATS_TEST_TMPDIR/err")"
    fi
}

# What the library itself copies it would take for races: it does not see the atomics that order them there.
@test "the same with ThreadSanitizer in the program" {
    echo called_from_lib:libsafeclose.so >"$BATS_TEST_TMPDIR/not"
    instrument thread libtsan.so
    TSAN_OPTIONS=suppressions=$BATS_TEST_TMPDIR/not nothing_to_complain_of "$LIBSAFECLOSE"
}

# ThreadSanitizer can't be there: the lot's thread is none that it knows.
@test "the same with AddressSanitizer in the program and in the library" {
    local copy=$BATS_TEST_TMPDIR/libsafeclose.so options
    instrument address libasan.so libubsan.so
    gcc -std=gnu11 -O0 -g -fsanitize=address,undefined -fPIC -fvisibility=hidden -fno-strict-aliasing \
        -I"$top/shim" -shared -o "$copy" "$top"/shim/*/*.c \
        -Wl,--version-script="$top/shim/libsafeclose.map" -Wl,-z,now,-z,nodelete
    for options in -s -f -fs; do
        ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 nothing_to_complain_of "$copy" $options
    done
}
