#!/usr/bin/env bats
# The doors at the end of a process, and those ends that are none: nobody is told there, and the log's
# silence is what the manual promises. Also children that vfork made: all in them is their parent's.

# Takes long.

load ../support/helper
load doors

player=door_exit
words='words that were never flushed;'

# ends_with VIA STATUS [OPTION...] ACT: a door that ends the process.
ends_with()
{
    confirmed=false is_a_door "$1" "${@:3}"
    saw exit "$2"
}

@test "return from main is a door" {
    ends_with exit 0 return
}

@test "exit is a door" {
    ends_with exit 3 exit
}

@test "_exit, by syscall(SYS_exit_group) too, and _Exit are doors" {
    for by_number in "${both[@]}"; do
        ends_with "$(named _exit)" 4 _exit
    done
    by_number='' ends_with _Exit 5 _Exit
}

# explanation: of the reset in the last scene, without what names the moment and the place.
explanation()
{
    grep -E '^safeclose:   [a-z]+: ' "$stderr" | grep -v '^safeclose:   at: '
}

@test "_exit, by syscall(SYS_exit_group) too, is explained as the end of the process" {
    for by_number in "${both[@]}"; do
        SAFECLOSE_LOG=stderr scene warn _exit
        matches 'the process ended with this connection open' "$(explanation)"
        explanation >"$log.explained$by_number"
    done
    diff "$log.explained" "$log.explained--syscall"
}

@test "_exit, by syscall(SYS_exit_group) too, of a connection in an epoll set that was closed: it lingers" {
    for by_number in "${both[@]}"; do
        ends_with "$(named _exit)" 16 '_exit in an epoll set'
    done
}

@test "quick_exit is a door, and runs its own handlers" {
    ends_with quick_exit 6 quick_exit
    same 'handler registered second handler registered first' \
        "$(grep '^handler' "$log.seen" | paste -sd ' ')"
}

@test "exit runs its handlers as bare, in their order and with their arguments" {
    ends_with exit 7 'exit with handlers'
    same 'handler registered second;on_exit 7 argument;handler registered first' \
        "$(grep -E '^(handler|on_exit )' "$log.seen" | paste -sd ';')"
}

@test "exit called in a handler of exit is a door, and passed once" {
    ends_with exit 9 'exit in a handler'
}

@test "_exit called in a handler of exit is the door" {
    for by_number in "${both[@]}"; do
        ends_with "$(named _exit)" 11 '_exit in a handler'
    done
}

@test "exit and _exit called from another thread are doors" {
    threads=yes
    ends_with exit 12 'exit from thread'
    for by_number in "${both[@]}"; do
        ends_with "$(named _exit)" 13 '_exit from thread'
    done
}

@test "the end of the last thread is a door" {
    threads=yes
    ends_with exit 0 'last thread'
    grep -x alone "$log.seen"
}

@test "a close in a handler of exit or quick_exit is the door" {
    is_a_door close 'close in a handler'
    is_a_door close 'close in a quick handler'
}

@test "what handlers and destructors still read is there for them, and nothing is unread at the end" {
    local act
    for act in 'read in a handler' 'read in a quick handler' 'read in a destructor'; do
        is_no_door "$act"
        saw 'handler reads' 1024 'handler writes' 3 peer_text bye
        resets_nobody
    done
}

# arrives VIA FD ACT: a door of exit through which the output of stdio goes to the peer.
arrives()
{
    unchanged "$2"
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw peer_text "$words"
    scene drain "$2"
    resets_nobody
    saw peer_text "$words"
    tells via "$1" action drained outcome fin
}

@test "output that exit flushes arrives, and then the connection ends" {
    arrives exit 'exit unflushed'
    arrives exit 'return unflushed'
    arrives exit 'exit stdout unflushed'
}

@test "output that _exit does not flush does not arrive in any mode" {
    for by_number in "${both[@]}"; do
        confirmed=false is_a_door "$(named _exit)" '_exit unflushed'
        saw peer_bytes 0
    done
}

@test "300 connections at exit: each is judged" {
    unchanged --count 300 exit
    saw on_close 300 peers_reset 300
    sums outcomes.rst 300
    same 300 "$((closes + summed[suppressed] + summed[lost]))"
    scene drain --count 300 exit
    saw on_close 0 resets 0 peers_eof 300
    sums outcomes.fin 300 actions.drained 300
}

@test "a connection with three numbers at exit: one event, of the last" {
    unchanged 'exit with copies'
    resets_for TCP_ABORT_ON_CLOSE on_close
    same 1 "$closes"
    tells via exit outcome rst note '' unread 1024
    scene drain 'exit with copies'
    resets_nobody
    same 1 "$closes"
    tells via exit outcome fin action drained
}

@test "exit with clients waiting to be accepted: told, and left alone in every mode" {
    never_changed 'exit listening'
    saw resets 1 peer_end ECONNRESET
    # The scenes' own tables leave a listening socket at exit out.
    json "$log" 'e, = closes
assert (e["via"], e["fd"], e["cause"], e["pending"], e["outcome"], e["action"]) == (
    "exit", '"${seen[fd]}"', "pending-accepts", 1, "rst", "none"), e'
}

# silent ACT...: an end as bare in every mode, of which nothing is told.
silent()
{
    never_changed "$@"
    resets_for TCP_ABORT_ON_CLOSE on_close
    same 0 "$closes"
    same 0 "$summaries"
}

@test "abort, SIGTERM and SIGKILL are no doors: nothing is told" {
    silent abort
    saw exit 134
    silent SIGTERM
    saw exit 143
    silent SIGKILL
    saw exit 137
}

@test "exec closes close-on-exec connections where nobody is told" {
    silent --cloexec exec
    saw exit 0
}

@test "exec that fails is as bare, and the close that follows is the door" {
    is_a_door close --cloexec 'exec fails'
    saw execv '-1 ENOENT' execve '-1 EACCES'
}

# That program does nothing with TCP: a number above 2 only leaked into it.
@test "exec of another program with the connection: that program's exit is as bare, and it is silent" {
    never_changed exec
    resets_for TCP_ABORT_ON_CLOSE on_close
    same '0 0' "$closes $summaries"
    json "$log" 'assert [e["comm"] for e in starts] == ["door_exit"], events'
}

# An inetd gives its program one connection as 0, 1 and 2.
@test "an inetd's program that ends at once: its exit is the door, who holds it unknown" {
    same_as_bare off log drain -- --inetd /bin/true
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells via exit comm true pid "${seen[pid]}" local "${seen[ours]}" peer "${seen[peer]}" \
        cause unread-data outcome unknown unread 1024 note owner-unknown
}

@test "an inetd's program that ends at once: 0, 1 and 2 are one connection, so one event" {
    scene log --inetd /bin/true
    same 1 "$closes"
    sums closes 1 outcomes.unknown 1
}

@test "an inetd's program in warn: the peer gets not a byte of what is explained on stderr" {
    never_changed --inetd /bin/true
    saw peer_bytes 0
}

@test "an inetd's program with its log on stderr: the peer gets not a byte of it" {
    SAFECLOSE_LOG=stderr never_changed --inetd /bin/true
    saw peer_bytes 0
}

# Nobody says whose it is on 20: of a process that does nothing else with TCP neither its exit nor its close
# is told, in any mode.
@test "an inherited connection on a number of its own: exit and close are as bare, and nothing is told" {
    local act mode
    for act in exit vfork\ _exit; do
        never_changed --inherited 20 "$act"
        resets_for TCP_ABORT_ON_CLOSE on_close
        for mode in warn drain linger log; do
            scene "$mode" --inherited 20 "$act"
            [[ ! -s $log && ! -s $stderr ]] || fail "mode $mode told: $(cat "$log" "$stderr")"
        done
    done
}

# LISTEN_FDS says whose it is: a service's, as systemd starts it.
@test "a service's connection on 3, or the last of twelve: its exit is the door, who holds it unknown" {
    local fd
    for fd in 3 14; do
        LISTEN_FDS=$((fd - 2)) never_changed --inherited "$fd" exit
        resets_for TCP_ABORT_ON_CLOSE on_close
        one_event via exit cause unread-data action none outcome unknown confirmed false note owner-unknown
        LISTEN_FDS=$((fd - 2)) scene drain --inherited "$fd" exit
        one_event via exit action passed outcome unknown confirmed false note owner-unknown
        LISTEN_FDS=$((fd - 3)) scene log --inherited "$fd" exit
        same '0 0' "$closes $summaries"
    done
}

# ---- vfork -------------------------------------------------------------------------------------------

# child_touches_nothing STATUS [OPTION...] ACT: what the child does is told by nobody and changes nothing
# of its parent's, whose own close is judged as if there had been no child. By both names.
child_touches_nothing()
{
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" "${@:2}"
        saw child "$1" unread 1024
        sums closes 2
    done
}

@test "a vfork child's _exit and _Exit give nothing up" {
    child_touches_nothing 21 'vfork _exit'
    child_touches_nothing 22 'vfork _Exit'
}

@test "a vfork child's close, close_range and closefrom give nothing up" {
    child_touches_nothing 24 'vfork close'
    child_touches_nothing 26 'vfork close_range'
    child_touches_nothing 27 'vfork closefrom'
}

@test "a vfork child's dup2 and dup3 give nothing up" {
    child_touches_nothing 28 'vfork dup2'
}

@test "a vfork child in a thread gives nothing up" {
    threads=yes
    child_touches_nothing 24 'vfork in thread'
}

@test "50 vfork children give nothing up" {
    child_touches_nothing 21 'vfork often'
}

@test "a vfork child's exec gives nothing up, nor one that fails" {
    child_touches_nothing 0 --cloexec 'vfork exec'
    child_touches_nothing 29 --cloexec 'vfork exec fails'
}

# Who else has it by then can't be proven any more: the program that was started may have handed it on. What
# came of the close the kernel says.
@test "after a vfork child's exec with the connection open, its owner is unknown, and the reset told" {
    local act cloexec=''
    for act in 'vfork exec' 'vfork dup2 exec'; do
        never_changed $cloexec "$act"
        resets_for TCP_ABORT_ON_CLOSE on_close
        saw child 0
        tells via close pid "${seen[pid]}" fd "${seen[fd]}" action none outcome rst confirmed true note ''
        scene drain $cloexec "$act"
        tells via close pid "${seen[pid]}" action passed outcome rst confirmed true note owner-unknown
        cloexec=--cloexec
    done
    saw peer_text served.
}

# ---- clone -------------------------------------------------------------------------------------------

@test "a child made by clone is watched as one of fork is" {
    unchanged clone
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw child 61 unread 1024
    # Its own close, of what its parent holds, is no news.
    same 1 "$closes"
    tells via close pid "${seen[pid]}" outcome rst confirmed true note ''
    scene drain clone
    resets_nobody
    saw child 61 unread 1024
    same 1 "$closes"
    tells pid "${seen[pid]}" action drained outcome fin
}

@test "a child made by clone that returns from its function gives nothing up that it shares" {
    unchanged 'clone return'
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw child 62 unread 1024
    tells via close pid "${seen[pid]}" outcome rst confirmed true
    scene drain 'clone return'
    saw unread 1024
}

# Such a child runs in its parent's memory. What the parent closes later may be left alone for it.
@test "a child made by clone as posix_spawn does it: nothing of its parent's is touched" {
    unchanged 'clone vfork'
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw child 63 unread 1024
    scene drain 'clone vfork'
    saw child 63 unread 1024 close '0 kept'
}

@test "a child made by clone with a shared table, in its own memory: all is as bare from then on" {
    never_changed 'clone files'
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw child 64 again '-1 EBADF'
    same 1 "$summaries"
    sums given_up 'a thread takes a descriptor table of its own'
}

@test "clone that is refused is as bare, and the close that follows is the door" {
    unchanged 'clone refused'
    saw 'clone no stack' '-1 EINVAL'
    resets_for TCP_ABORT_ON_CLOSE on_close
    one_event via close cause unread-data unread 1024 action none
    scene drain 'clone refused'
    one_event via close cause unread-data unread 1024
    # The thread that was not made counts from then on, so the connection is drained once no thread can be in a call.
    if [[ ${told[action]} == drain* ]]; then
        resets_nobody
    else
        saw resets 1
        tells action passed outcome rst confirmed true note owner-unknown
    fi
}

@test "clone(CLONE_FILES) that is refused gives nothing up" {
    for by_number in "${both[@]}"; do
        is_a_door "$(named close)" 'clone files refused'
        saw clone '-1 EINVAL'
    done
}
