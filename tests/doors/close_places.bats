#!/usr/bin/env bats
# Closing where it is awkward: in a signal handler, a vfork child, a destructor, on 8 kB of stack, as
# nobody without /proc... The witness is the peer, which has no library (scene.c), and the kernel's
# counters; where the program itself could only tell by not crashing, its exit status.

load ../support/helper
load ../support/scene

untraced=yes

# judged_and_drained [OPTION...] STEP...: in this place too, off, log and warn change nothing and log
# tells the reset of 1024 unread bytes; drain prevents it.
judged_and_drained()
{
    unchanged "$@"
    saw resets 1 on_close 1 peer_end ECONNRESET exit 0
    same 1 "$closes"
    tells cause unread-data outcome rst unread 1024 fd "${seen[fd]}" cookie "${seen[cookie]}" \
        pid "${seen[pid]}" action none
    scene drain "$@"
    saw resets 0 end_resets 0 peer_end EOF exit 0
    same 1 "$closes"
    tells cause unread-data outcome fin unread 1024 action drained discarded 1024
}

# judged_and_drained_by_the_lot STEP...: the same in a program with threads. There the lot drains it when no other
# thread is in a call on the connection.
judged_and_drained_by_the_lot()
{
    unchanged "$@"
    saw resets 1 on_close 1 peer_end ECONNRESET exit 0
    same 1 "$closes"
    tells cause unread-data outcome rst confirmed true note '' unread 1024 fd "${seen[fd]}" \
        cookie "${seen[cookie]}" pid "${seen[pid]}" action none
    scene drain "$@"
    saw resets 0 end_resets 0 peer_end EOF exit 0
    same '1 1' "$closes $ends"
    tells cause unread-data outcome none confirmed true note '' unread 1024 action draining discarded 0
    tells_end cause unread-data outcome fin action draining discarded 1024 ended_by drained \
        fd "${seen[fd]}" cookie "${seen[cookie]}"
}

# ---- Signals -------------------------------------------------------------------------------------------

@test "in a signal handler" {
    judged_and_drained 'peer sends 1024' 'program closes in a signal handler' "$end"
    saw close '0 kept'
}

# A hundred each, so that no event is left out for its rate.
@test "in signal handlers that interrupt other closes: none is lost, and each is told once" {
    local mode steps=(--alone 'program listens 100' 'peer connects 98' 'program accepts 98'
        'peer all send 1024' 'program closes all in a storm of signals' 'peer all read to the end')
    for mode in none log drain; do
        scene "$mode" "${steps[@]}"
        saw closed '49 of 49' closed_by_handlers '49 of 49' exit 0
        case $mode in
        drain) saw on_close 0 peers_eof 98 ;;
        *) saw on_close 98 peers_reset 98 ;;
        esac
        [[ $mode == none ]] || all_told 98
    done
}

# all_told COUNT: the log has an event for each of so many connections, and one for what the lot drained, but
# for lines that it counted as lost or held back; the summary counts all.
all_told()
{
    same "$1" "${summed[causes.unread-data]}"
    local drained=${summed[linger_ends.drained]}
    same "$1" "$((closes + ends - drained + summed[lost] + summed[suppressed]))"
    same "$closes" "$cookies"
    ((closes > 0)) || fail "nothing was told"
}

# ---- Children -------------------------------------------------------------------------------------------

# The child runs in its parent's memory, but its descriptors are its own.
@test "in a vfork child: the parent's connection stays, and its own close is judged and drained" {
    judged_and_drained 'peer sends 1024' 'program closes in a vfork child' 'program closes' "$end"
    saw child 0 child_close '0 kept'
}

@test "a number that a vfork child gives another meaning keeps its own in the parent" {
    judged_and_drained 'peer sends 1024' 'program reuses the number in a vfork child' \
        'program closes' "$end"
    saw child 0 same_number yes
}

@test "after a program was started by vfork: judged, and drained unless that may hold it" {
    judged_and_drained 'peer sends 1024' 'program starts a program by vfork' 'program closes' "$end"
    saw child 0
}

# Its parent has it still: nothing is sent, nothing is drained, and nothing is told, it being no news.
@test "in a fork child" {
    never_changed 'peer sends 1024' 'program closes in a fork child' 'program reads 1024' \
        'program closes' "$end"
    saw child 0 read '1024 0' resets 0 peer_end EOF
    same 0 "$closes"
    sums closes 2 causes.none 2
}

# ---- Before main, and after it -------------------------------------------------------------------------

# closes_early STEP...: closes in a constructor, and goes on with the steps: all as bare in every mode.
closes_early()
{
    export CLOSE_IN_CONSTRUCTOR=30
    never_changed --inherited --behind "$programs/close_lib.so" 'peer sends 1024' 'program starts' \
        "$end" "$@"
    saw resets 1 on_close 1 peer_end ECONNRESET exit 0
}

@test "in a constructor before the library's: passed through, and the summary counts it" {
    closes_early 'program listens' 'peer connects' 'program accepts' 'program closes'
    same 0 "$closes"
    sums too_early 1 outcomes.rst 0
}

@test "in a constructor before the library's: a process without other TCP says nothing" {
    closes_early
    [[ ! -s $log ]] || fail "told: $(<"$log")"
}

@test "in an atexit handler" {
    judged_and_drained 'peer sends 1024' 'program closes at exit' 'program ends' "$end"
    saw late_close '0 kept'
}

@test "in another library's destructor" {
    judged_and_drained --behind "$programs/close_lib.so" 'peer sends 1024' \
        'program closes in a destructor' 'program ends' "$end"
}

# The library has judged what is left by then, and is asked again: it must not say anything false.
@test "when exit flushes the streams, after every destructor: as bare, and told" {
    unchanged 'peer sends 1024' 'program closes when streams are flushed' 'program ends' "$end"
    saw late_close '0 kept' resets 1 on_close 1 peer_end ECONNRESET exit 0
    ((closes > 0)) || fail "nothing was told"
    tells 1.cause unread-data 1.outcome rst 1.unread 1024
}

# ---- Memory ----------------------------------------------------------------------------------------------

@test "on a stack of 8 kB, also with an explanation to write" {
    judged_and_drained 'peer sends 1024' 'program closes on a stack of 8 kB' "$end"
    saw close '0 kept'
    SAFECLOSE_LOG=stderr scene warn 'peer sends 1024' 'program closes on a stack of 8 kB' "$end"
    matches 'why: Linux resets' "$(<"$stderr")"
}

# malloc_lib.c: an abort or a deadlock, were the library to need memory there.
@test "in malloc's own start-up, whichever library comes first" {
    local place
    for place in --before --behind; do
        never_changed --inherited "$place" "$programs/malloc_lib.so" 'peer sends 1024' \
            'program starts' "$end"
        saw resets 1 on_close 1 peer_end ECONNRESET exit 0
    done
}

# ---- Threads ---------------------------------------------------------------------------------------------

@test "from a thread, while the main one waits for it" {
    judged_and_drained_by_the_lot 'peer sends 1024' 'program closes from a thread' "$end"
    saw close '0 kept'
    tells tid "${seen[tid]}"
}

threads=(--alone 'program listens 100' 'peer connects 96' 'program accepts 96')
from_threads=('peer all send 1024' 'program closes all from 16 threads' 'peer all read to the end')

@test "from 16 threads at the same time: off, log and warn change nothing, and log tells each once" {
    unchanged "${threads[@]}" "${from_threads[@]}"
    saw closed '96 of 96' on_close 96 peers_reset 96 exit 0
    all_told 96
}

@test "from 16 threads at the same time, on blocking descriptors: each is drained when none is in a call on it" {
    scene drain --alone 'program idles in a thread' "${threads[@]:1}" "${from_threads[@]}"
    saw closed '96 of 96' on_close 0 peers_eof 96 peers_reset 0 exit 0
    all_told 96
    sums actions.draining 96 actions.passed 0 linger_ends.drained 96 outcomes.rst 0
}

# The program gets its first threads when it has accepted all, and with their first close its lot.
@test "from 16 threads at the same time, which begin it: as many are reset as were left alone" {
    scene drain "${threads[@]}" "${from_threads[@]}"
    saw closed '96 of 96' on_close "${summed[actions.passed]}" peers_eof "${summed[actions.draining]}" \
        peers_reset "${summed[actions.passed]}" exit 0
    all_told 96
    sums linger_ends.drained "${summed[actions.draining]}" outcomes.rst "${summed[actions.passed]}"
}

# The thread ends instead of closing: its connection is as open as before, without the library too.
@test "with a cancellation pending: nothing is closed, and off, log and warn change nothing of it" {
    unchanged 'peer sends 1024' 'program closes with a cancellation pending' 'program reads 1024' \
        'program closes' "$end"
    saw cancelled yes open yes unread 1024 read '1024 0' resets 0 peer_end EOF
}

# ---- Poverty ----------------------------------------------------------------------------------------------

@test "with no descriptor left" {
    judged_and_drained 'peer sends 1024' 'program uses up all descriptors' 'program closes' "$end"
    saw open EMFILE
}

@test "with a limit of 64 descriptors: the program gets the same numbers" {
    judged_and_drained --descriptors 64 'peer sends 1024' 'program closes' "$end"
}

@test "with a limit of 8 descriptors, none of them the library's" {
    SAFECLOSE_LOG=stderr same_as_bare off -- --descriptors 8 'peer sends 1024' 'program closes' "$end"
    SAFECLOSE_LOG=stderr scene drain --descriptors 8 'peer sends 1024' \
        'program uses up all descriptors' 'program closes' "$end"
    saw resets 0 peer_end EOF exit 0 open EMFILE
    matches 'FIN \[unread-data\] 1024 bytes drained' "$(<"$stderr")"
}

@test "without /proc" {
    [[ $EUID == 0 ]] || skip "needs root"
    unchanged --no-proc 'peer sends 1024' 'program closes' "$end"
    saw resets 1 on_close 1 peer_end ECONNRESET exit 0
    tells cause unread-data outcome rst unread 1024 netns 0
    scene drain --no-proc 'peer sends 1024' 'program closes' "$end"
    saw resets 0 peer_end EOF exit 0
    tells outcome fin action drained
}

@test "in an empty root" {
    [[ $EUID == 0 ]] || skip "needs root"
    mkdir "$BATS_TEST_TMPDIR/root"
    judged_and_drained 'peer sends 1024' "program enters the root $BATS_TEST_TMPDIR/root" \
        'program closes' "$end"
}

@test "as nobody, after starting as root" {
    [[ $EUID == 0 ]] || skip "needs root"
    judged_and_drained 'peer sends 1024' 'program becomes nobody' 'program closes' "$end"
}

@test "in a program that was started without 0, 1 and 2" {
    judged_and_drained --no-stdio 'peer sends 1024' 'program closes' "$end"
    saw fd 1
}

# Number 2 is a client's: nobody's messages may go there.
@test "a connection that is number 2 is not taken for stderr" {
    local mode first=(--alone 'program listens' 'peer connects 3' 'program accepts 2' 'program accepts'
        'peer sends 1024' 'program closes all' "$end")
    for mode in none warn drain; do
        SAFECLOSE_LOG=stderr scene "$mode" --no-stdio "${first[@]}"
        saw fd 3 peer_bytes 0 exit 0
        SAFECLOSE_LOG=stderr scene "$mode" --alone 'program closes stdio' 'program listens' \
            'peer connects' 'program makes a socket' 'program accepts' 'peer sends 1024' \
            'program closes' "$end"
        saw fd 2 peer_bytes 0 exit 0
    done
}

# libc comes before it then, and after it when it is preloaded. What is opened later is behind both.
@test "the library opened with dlopen: its functions are libc's" {
    local module=$BATS_TEST_TMPDIR/module.so
    gcc -shared -o "$module" -xc - <<<'int close(int fd) { (void)fd; return 42; }'
    run -0 python3 -c '
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1])
print(library.system(b"exit 3") >> 8, library.close(os.dup(1)), library.close(999))
ctypes.CDLL(sys.argv[2])
print(library.setcon(b""), library.close(999), library.system(b"exit 3") >> 8)' "$LIBSAFECLOSE" "$module"
    same $'3 0 -1\n-1 -1 3' "$output"
}

# As libpthread did before glibc 2.34.
@test "the library opened as what a module needs, before another library with a close(): its functions are libc's" {
    local module=$BATS_TEST_TMPDIR/module.so behind=$BATS_TEST_TMPDIR/behind.so
    gcc -shared -o "$behind" -xc - <<<'int close(int fd) { (void)fd; return 42; }'
    gcc -shared -o "$module" -Wl,--no-as-needed "$LIBSAFECLOSE" "$behind"
    run -0 env LD_LIBRARY_PATH="${LIBSAFECLOSE%/*}" python3 -c '
import ctypes, sys
module = ctypes.CDLL(sys.argv[1])
print(module.system(b"exit 3") >> 8, module.close(999))' "$module"
    same '3 42' "$output"
}

# As PAM does for each session. What is mapped meanwhile keeps the module from coming back to its old place.
@test "a module that is opened and closed with its library again and again calls that library's functions" {
    local module=$BATS_TEST_TMPDIR/module.so mode
    gcc -shared -fPIC -o "$BATS_TEST_TMPDIR/libselinux.so.1" -Wl,-soname,libselinux.so.1 -xc - <<<'int setcon(const char *c) { return *c; }'
    gcc -shared -fPIC -o "$module" -xc - -L"$BATS_TEST_TMPDIR" -l:libselinux.so.1 -Wl,-rpath,"$BATS_TEST_TMPDIR" \
        <<<'int setcon(const char *); int session(void) { return setcon("\7"); }'
    for mode in RTLD_LOCAL RTLD_GLOBAL; do
        run -0 env LD_PRELOAD="$LIBSAFECLOSE" python3 -c '
import _ctypes, ctypes, mmap, sys
keep = []
for session in range(4):
    module = ctypes.CDLL(sys.argv[1], getattr(ctypes, sys.argv[2]))
    print(module.session())
    _ctypes.dlclose(module._handle)
    keep.append(mmap.mmap(-1, 1 << 15))' "$module" "$mode"
        same $'7\n7\n7\n7' "$output"
    done
}

# Its programs lie so low that a table's address plus the base can be nearer to the table than the address.
@test "valgrind runs a large program" {
    run -0 env LD_PRELOAD="$LIBSAFECLOSE" valgrind -q --tool=none /bin/bash -c 'echo ran'
    matches '^ran$' "$output"
}
