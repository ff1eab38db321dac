#!/usr/bin/env bats
# A program that installs a seccomp filter may die of one question too many, and one whose thread has a
# table of descriptors of its own can't be followed. The library says so once, while it can, with the
# summary, and is from then on as if it were not there.

load ../support/helper
load doors

player=door_filter

# passes_through WHY CLOSES [OPTION...] ACT: to its end as bare in every mode, drain too, but for closes
# before; the log ends with one summary of CLOSES closes that says why it is the last.
passes_through()
{
    local why=$1 count=$2 mode
    shift 2
    unchanged "$@"
    for mode in log warn drain; do
        scene "$mode" "$@"
        same "$own_bare" "$own"
        same 1 "$summaries"
        sums given_up "$why" closes "$count"
        matches '"event":"summary"' "$(tail -n 1 "$log")"
    done
}

# sandboxed STATUS ACT: six connections; one is closed before the filter, the rest behind it. By both names.
sandboxed()
{
    for by_number in "${both[@]}"; do
        passes_through 'the program installs a seccomp filter' 2 --count 6 "$2"
        # The last run was in drain: the one before the filter was drained, as it should be.
        saw exit "$1" on_close 5 peers_reset 5 peers_eof 1
        same 1 "$closes"
        tells action drained
        scene log --count 6 "$2"
        saw exit "$1" on_close 6 peers_reset 6
        same 1 "$closes"
        tells via "$(named close)" outcome rst
    done
}

@test "a strict filter installed by prctl: the program runs to its exit in every mode" {
    sandboxed 51 'filter, exit'
}

@test "a strict filter installed by prctl: the program runs to its quick_exit in every mode" {
    sandboxed 53 'filter, quick_exit'
}

@test "a strict filter installed by syscall(SYS_seccomp): the program runs to its _exit in every mode" {
    sandboxed 52 'filter, _exit'
}

@test "a strict filter installed by prctl: the program runs to its return in every mode" {
    sandboxed 0 'filter, return'
}

@test "that filter kills who asks for more, so the runs above prove something" {
    never_changed 'filter violated'
    saw exit 159
}

@test "mode 1 of seccomp, by prctl and by syscall: the program runs to its end in every mode" {
    local act
    for act in strict 'strict by syscall'; do
        passes_through 'the program installs a seccomp filter' 1 "$act"
        saw write 3 exit 55 on_close 1 peer_end ECONNRESET peer_text bye
        same 0 "$closes"
    done
}

@test "in text it is one line that says why, and one summary, and nothing more" {
    local mode
    for mode in log warn drain; do
        SAFECLOSE_LOG=stderr scene "$mode" --count 6 'filter, exit'
        same 1 "$(grep -c 'the library does nothing from here on: the program installs a seccomp filter$' "$stderr")"
        same 1 "$(grep -c ': 2 TCP closes: ' "$stderr")"
        matches ': 2 TCP closes: [^ ]+ RST, 0 unknown' "$(tail -n 1 "$stderr")"
    done
}

@test "a process without TCP that installs a filter says nothing" {
    local mode
    for mode in log warn drain; do
        SAFECLOSE_LOG=stderr scene "$mode" --count 0 'filter violated'
        saw exit 159
        same '' "$(<"$stderr")"
    done
}

@test "asking whether the kernel has filters gives nothing up" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" probe
        saw 'prctl NULL' '-1 EFAULT' 'seccomp NULL' '-1 EFAULT' 'seccomp TSYNC NULL' '-1 EFAULT'
        [[ -z ${summed[given_up]-} ]] || fail "gave up: $(<"$log")"
    done
}

@test "a filter that the kernel refuses gives nothing up" {
    unchanged 'install fails'
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw 'prctl nowhere' '-1 EFAULT' 'prctl empty' '-1 EINVAL' 'strict flags' '-1 EINVAL'
    same 1 "$closes"
    tells via close outcome rst
    scene drain 'install fails'
    resets_nobody
    same 1 "$closes"
    tells via close action drained
}

@test "a filter that the kernel refuses: nothing says that everything is passed through" {
    for by_number in "${both[@]}"; do
        scene log 'install fails'
        same 1 "$summaries"
        [[ -z ${summed[given_up]-} ]] || fail "gave up: $(<"$log")"
        saw 'prctl mode' '-1 EINVAL'
    done
}

@test "prctl and unshare: arguments, results and errno are as bare" {
    is_a_door close prctl
    saw name another signal 1 'name nowhere' '-1 EFAULT' 'unshare wrong' '-1 EINVAL'
}

@test "unshare(CLONE_FILES) in a thread: all is as bare from then on, and said once" {
    for by_number in "${both[@]}"; do
        passes_through 'a thread takes a descriptor table of its own' 2 --count 3 'unshare in thread'
        saw unread 1024 on_close 2 peers_reset 2 peers_eof 1
        scene log --count 3 'unshare in thread'
        saw on_close 3 peers_reset 3
        same 1 "$closes"
    done
}

@test "unshare(CLONE_FILES) that is refused gives nothing up" {
    for by_number in "${both[@]}"; do
        unchanged 'unshare refused'
        saw unshare '-1 EINVAL'
        same 1 "$summaries"
        [[ -z ${summed[given_up]-} ]] || fail "gave up: $(<"$log")"
        tells via "$(named close)" outcome rst confirmed true note '' unread 1024
        scene drain 'unshare refused'
        resets_nobody
        threads=yes
        says_drained via "$(named close)"
    done
}

@test "unshare(CLONE_FILES) in a program of one thread gives nothing up" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" 'unshare alone'
        [[ -z ${summed[given_up]-} ]] || fail "gave up: $(<"$log")"
    done
}
