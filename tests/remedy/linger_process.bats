#!/usr/bin/env bats
# What programs do to themselves while connections linger: forks, executed programs, signals, fewer rights,
# other namespaces, filters. It succeeds or fails as bare, and every byte arrives at every peer.

load ../support/helper
load linger_process

# ---- Forks and programs ----------------------------------------------------------------------------------

@test "descriptors: as bare, in a child too, but for the log and two more high up" {
    all_arrives 5 linger_process descriptors
    same $'parent: 1 above\nchild: 1 above' "$(grep above "$BATS_TEST_TMPDIR/bare.stderr")"
    same $'parent: 4 above\nchild: 4 above' "$(grep above "$BATS_TEST_TMPDIR/linger.stderr")"
}

@test "300 forks" {
    all_arrives 20 linger_process fork-storm
}

@test "20 children at a time, each with a connection of its own" {
    all_arrives 25 linger_process workers
}

@test "a fork by number, and two in a row: the child accepts and ends" {
    all_arrives 10 linger_process raw-fork
    all_arrives 10 linger_process double-fork
}

@test "daemon" {
    output_arrives 10 linger_process daemon
}

@test "exec: the new program has what it has bare, and a lot of its own" {
    all_arrives 8 linger_process exec
    all_arrives 8 linger_process exec-by-number
}

@test "one exec after the other" {
    all_arrives 45 linger_process exec-storm
}

@test "an exec that fails" {
    all_arrives 10 linger_process exec-fails
}

@test "children that execute programs: what lingers goes on" {
    all_arrives 10 linger_process child-execs
}

@test "posix_spawn, system and popen: what lingers goes on" {
    all_arrives 10 linger_process spawns
}

# ---- Signals -----------------------------------------------------------------------------------------------

# dies_of NUMBER SCENE: as bare. What is parked ends as the kernel ends it.
dies_of()
{
    linger bare linger_process "$2"
    linger linger linger_process "$2"
    same "killed by signal $1" "$(of_program linger)"
    same "$(of_program bare)" "$(of_program linger)"
}

@test "SIGTERM, SIGKILL, SIGSEGV and abort: the program ends as bare" {
    dies_of 15 SIGTERM
    dies_of 9 SIGKILL
    dies_of 11 SIGSEGV
    dies_of 6 abort
}

@test "a signal while exit waits for the lot: the program ends" {
    linger linger linger_process killed-in-exit
    same 'killed by signal 14' "$(of_program linger)"
}

@test "signals sent to the process come to the program's own thread" {
    all_arrives 5 linger_process waits-for-signals
}

# ---- Rights --------------------------------------------------------------------------------------------------

# drops CALL...: each succeeds, and afterwards no thread has other rights than bare, neither then nor when
# more connections have lingered.
drops()
{
    local call
    for call in "$@"; do
        WAY=$call linger bare linger_process drops
        WAY=$call linger linger linger_process drops
        matches "^$call 0 " "$(of_program bare)"
        # A thread more says the same once more.
        same "$(of_program bare | sort -u)" "$(of_program linger | sort -u)"
        arrived 10
    done
}

@test "setuid and its kin: no thread is left with the old rights" {
    drops setuid setgid seteuid setegid setreuid setregid setresuid setresgid
}

@test "setgroups, initgroups and capset: no thread is left with the old rights" {
    drops setgroups initgroups capset
}

@test "the same by number: no thread is left with the old rights" {
    drops SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setgroups SYS_capset
}

@test "setuid while another thread's connections linger: no thread is left with the old rights" {
    linger bare linger_process drops-while-others-park
    linger linger linger_process drops-while-others-park
    same "$(of_program bare | sort -u)" "$(of_program linger | sort -u)"
    arrived 5
}

# ---- Namespaces ------------------------------------------------------------------------------------------------

@test "unshare, of whatever: succeeds as bare" {
    all_arrives 16 linger_process unshares
    all_arrives 10 linger_process unshare-by-number
}

@test "setns: succeeds as bare" {
    all_arrives 8 linger_process namespaces
}

# ---- Seccomp ---------------------------------------------------------------------------------------------------

# gives_up COUNT RESETS SCENE: what lingered before is drained, the program lives as bare, and the log says
# that the library has given up.
gives_up()
{
    linger bare linger_process "$3"
    linger linger linger_process "$3"
    same "$(of_program bare)" "$(of_program linger)"
    matches "^whole $1 of [0-9]+ resets $2, for" "$(of_peers linger)"
    asserts 'summaries[-1]["given_up"] == "the program installs a seccomp filter"'
}

@test "seccomp, strict: the program lives, and what lingered is drained" {
    gives_up 10 0 seccomp-strict
}

@test "seccomp, a filter that forbids all that lingering takes: the program lives, all is as bare then" {
    gives_up 5 1 seccomp-filter
    gives_up 5 1 seccomp-by-number
    gives_up 5 1 seccomp-for-all
}
