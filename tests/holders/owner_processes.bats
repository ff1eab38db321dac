#!/usr/bin/env bats
# Processes that share a connection, as servers do it. While somebody else holds it a close takes and
# sends nothing, in any mode; the last one is judged, and drained where that was asked for.

# Takes long.

load ../support/helper
load ../support/owner

held='holder read 1000 bytes, right, then the end'
no_reset='resets for unread data 0'

# held_by SCENE NOTES: the holder reads all in every mode, and the events say that each close sent nothing, and
# why it was left alone, with one of these notes.
held_by()
{
    never_touched owner_processes "$1"
    matches "$held" "$(<"$BATS_TEST_TMPDIR/drain")"
    asserts 'len(unread) > 0' "all(e['note'] in '$2'.split() for e in unread)" \
        'all(e["action"] == "passed" for e in unread)' \
        'all(e["outcome"] == "none" and e["confirmed"] for e in unread)' \
        'not any(e["confirmed"] for e in events if e["event"] == "close-end")'
}

# sole SCENE VIA LINE...: a reset as bare, and told as one, in the modes that change nothing; drained, no
# reset, and the lines.
sole()
{
    local knowable=yes late='[e for e in events if e["event"] == "close-end"]'
    unchanged owner_processes "$1"
    matches 'resets for unread data 1' "$(<"$BATS_TEST_TMPDIR/bare")"
    # A program that was just started may be closing what is close-on-exec: then the reset is told behind that.
    asserts "unread[-1]['via'] == '$2'" "(unread[-1]['note'], unread[-1]['outcome']) == ('', 'rst') or \
        (unread[-1]['note'], unread[-1]['outcome'], ${late}[-1]['outcome']) == ('held', 'none', 'rst')"
    drained owner_processes "$1" "${@:3}" "$no_reset"
    asserts 'unread[-1]["action"] == "drained"' \
        'unread[-1]["outcome"] == "fin" or (unread[-1]["note"], unread[-1]["outcome"]) == ("held", "none")'
}

# ---- Others hold it --------------------------------------------------------------------------------------------

@test "fork: the parent closes, the child serves" {
    held_by fork shared
}

@test "_Fork: the parent closes, the child serves" {
    held_by _Fork shared
}

@test "forkpty: the parent closes, the child serves" {
    held_by forkpty shared
}

@test "clone: the parent closes, the child serves" {
    held_by clone shared
}

@test "syscall(SYS_clone): the parent closes, the child serves" {
    held_by clone-by-number shared
}

@test "clone into another PID namespace: the parent closes, the child serves" {
    held_by pid-namespace 'shared owner-unknown'
}

@test "clone into another PID namespace: the child closes, the parent serves" {
    never_touched owner_processes pid-namespace-closes
    matches "$held" "$(<"$BATS_TEST_TMPDIR/drain")"
}

@test "the first process of a pid namespace, and a child that shares its memory and closes: nothing is taken" {
    never_touched owner_processes first-pid-clones
}

@test "two forks: the grandchild serves" {
    held_by double-fork shared
}

@test "600 children: one of them serves" {
    as_bare drain -- owner_processes many-children
}

@test "a child that drops its privileges serves" {
    held_by child-is-nobody 'shared owner-unknown'
}

@test "a child that drops its privileges closes, the parent serves" {
    never_touched owner_processes nobody-closes
    asserts 'unread == []'
}

@test "inetd style, the service preloaded" {
    held_by inetd-preloaded 'shared owner-unknown'
}

@test "inetd style, the service bare" {
    held_by inetd-bare 'shared owner-unknown'
}

@test "inetd style with the log on stderr, which is the connection: nothing is written to it" {
    SAFECLOSE_LOG=stderr as_bare log warn drain -- owner_processes inetd-preloaded
}

@test "posix_spawn: the program serves" {
    held_by spawn-kept owner-unknown
}

@test "posix_spawn with adddup2 of a close-on-exec connection: the program serves" {
    held_by spawn-moved owner-unknown
}

# Where libc has no such names, a library below has them.
@test "pidfd_spawn and pidfd_spawnp: the program serves" {
    local library=$LIBSAFECLOSE:$programs/calls_handler_lib.so
    LIBSAFECLOSE=$library held_by pidfd_spawn owner-unknown
    LIBSAFECLOSE=$library held_by pidfd_spawnp owner-unknown
}

@test "pidfd_spawn and pidfd_spawnp, as this libc has them or not: the program serves" {
    held_by pidfd_spawn owner-unknown
    held_by pidfd_spawnp owner-unknown
}

@test "system: what runs in the background serves" {
    held_by system owner-unknown
}

@test "popen: what runs in the background serves" {
    held_by popen owner-unknown
}

@test "vfork and exec: the program serves" {
    held_by vfork-kept owner-unknown
}

@test "vfork, dup2 of a close-on-exec connection, and exec: the program serves" {
    held_by vfork-moved owner-unknown
}

@test "an exec that failed: the child serves" {
    held_by exec-failed-shared shared
}

@test "an exec that failed, and one that did not: the program serves" {
    held_by exec-second owner-unknown
}

# interrupted SCENE: with a signal handler that runs in the middle of an exec.
interrupted()
{
    LIBSAFECLOSE=$LIBSAFECLOSE:$programs/calls_handler_lib.so drained owner_processes "$1" "$held" \
        'peer read 1000 bytes, right, then the end' "$no_reset"
    asserts 'len(unread) > 0' "all(e['note'] == 'owner-unknown' for e in unread)"
}

@test "an exec that failed in the middle of one that did not: the program serves" {
    interrupted exec-in-exec
}

@test "a fork in the middle of an exec: the program serves" {
    interrupted fork-in-exec
}

@test "an exec that a thread leaves by a signal handler: the child closes, the parent serves" {
    never_touched owner_processes exec-left
    matches "$held" "$(<"$BATS_TEST_TMPDIR/drain")"
}

@test "SCM_RIGHTS: the receiver serves" {
    held_by passed-to-child owner-unknown
}

@test "SCM_RIGHTS, under way at the close: the receiver serves" {
    held_by passed-in-flight owner-unknown
}

@test "a listening socket is shared: a worker's exit sends nothing, the last one's resets who waits" {
    never_touched owner_processes workers
    asserts '[e["outcome"] for e in closes if e["cause"] == "pending-accepts"].count("rst") == 1'
    matches 'then ECONNRESET' "$(<"$BATS_TEST_TMPDIR/drain")"
}

@test "a connection inherited at start: nobody knows who else has it, so it is left alone" {
    never_touched owner_processes inherited
    # Nobody says that it is the program's own (LISTEN_FDS), which does nothing else with TCP.
    asserts 'unread == []'
    LISTEN_FDS=1003 never_touched owner_processes inherited
    asserts 'unread[-1]["note"] == "owner-unknown"' 'unread[-1]["outcome"] == "rst" and unread[-1]["confirmed"]'
}

@test "signals, whose handler duplicates and closes, while it forks: the child serves" {
    never_touched owner_processes signals-while-forking
}

# ---- The last one ----------------------------------------------------------------------------------------------

@test "fork per connection: the child's exit is the last reference" {
    sole child-exits-last exit 'child read 1000 bytes, right' 'peer read 1000 bytes, right, then the end'
    asserts 'unread[0]["note"] == "shared"' 'unread[0]["action"] == "passed"' 'unread[0]["outcome"] == "none"'
}

@test "fork per connection: the child's close is the last reference" {
    sole child-closes-last close 'child read 1000 bytes, right' 'peer read 1000 bytes, right, then the end'
    asserts 'unread[0]["note"] == "shared"' 'unread[0]["action"] == "passed"' 'unread[0]["outcome"] == "none"'
}

@test "the child has ended: the parent's close is the last reference" {
    sole child-exits-first close 'peer read 0 bytes, right, then the end'
}

@test "the child was killed: the parent's close is the last reference" {
    sole child-is-killed close 'peer read 0 bytes, right, then the end'
}

@test "the child was killed, the 601st: the parent's close is the last reference" {
    sole child-is-killed-late close 'peer read 0 bytes, right, then the end'
}

@test "daemon: its close is the last reference" {
    sole daemon close 'peer read 0 bytes, right, then the end'
}

@test "posix_spawn of a program that did not get it" {
    sole spawn-closed close 'peer read 0 bytes, right, then the end'
}

@test "system with a close-on-exec connection" {
    sole system-closed close 'system: 0' 'peer read 0 bytes, right, then the end'
}

@test "popen with a close-on-exec connection" {
    sole popen-closed close 'peer read 0 bytes, right, then the end' 'pclose: 0'
}

@test "vfork and exec with a close-on-exec connection" {
    sole vfork-closed close 'peer read 0 bytes, right, then the end'
}

@test "twelve children that execute a program, which keeps another connection" {
    sole exec-twelve close 'peer read 0 bytes, right, then the end'
}

@test "an exec that failed is none" {
    sole exec-failed close 'exec: ENOENT' 'peer read 0 bytes, right, then the end'
}

@test "an exec that failed is none for what the program was to keep" {
    sole exec-failed-kept close 'exec: ENOENT' 'peer read 0 bytes, right, then the end'
}

@test "children's execs that failed are none for what the programs were to keep" {
    sole exec-failed-in-children close 'peer read 0 bytes, right, then the end'
}

@test "what was accepted from an inherited listening socket" {
    sole inherited-listener close 'peer read 0 bytes, right, then the end'
}

@test "two streams on one connection: the first fclose names the other number, the last is the last" {
    sole stream-halves fclose 'unread 1000' 'peer has 1000' 'then the end'
    asserts 'len(unread) == 2' 'unread[0]["note"] == "shared"' 'unread[0]["action"] == "passed"'
    SAFECLOSE_FORMAT=text played log owner_processes stream-halves
    matches 'fclose.*shared with descriptor [0-9]+' "$(grep -am 1 'fclose' "$log")"
}
