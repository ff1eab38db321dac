#!/usr/bin/env bats
# What a process of fewer rights can do to its parent through the library, which is nothing but to waste
# its own share; and that a call of the library's own which fails does no harm.

load ../support/helper

setup()
{
    [[ $EUID == 0 ]] || fail 'these tests need to be root: they drop their rights'
    log=$BATS_TEST_TMPDIR/log
}

# plays SCENE LINE...: in the mode linger, with these lines as its output. A scene has its time.
plays()
{
    local scene=$1
    shift
    run timeout 60 env SAFECLOSE_LOG="$log" \
        SAFECLOSE_LINGER_IDLE="${linger_time:-300ms}" SAFECLOSE_LINGER_TIME="${linger_time:-500ms}" \
        LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="${mode:-linger}" "$programs/rights" "$scene" 3>&-
    same 0 "$status"
    same "$(printf '%s\n' "$@")" "$output"
}

# ---- Messages ----------------------------------------------------------------------------------------

@test "messages with two descriptors leave none in the lot" {
    plays two-descriptors 'before: EOF' 'two-descriptors: none kept' 'after: EOF'
}

@test "messages that are too short leave no descriptor in the lot" {
    plays short 'before: EOF' 'short: none kept' 'after: EOF'
}

@test "what is no connected TCP socket is not kept" {
    linger_time=5s plays wrong-sockets 'before: EOF' 'wrong-sockets: none kept' 'after: EOF'
}

@test "counts and names out of their bounds are refused" {
    plays wild-words 'before: EOF' 'wild-words: none kept' 'after: EOF'
    json "$log" "assert all(e.get('via', 'close') == 'close' for e in events), events"
}

@test "guests have no more than their share of the room" {
    linger_time=5s plays share-of-guests 'before: EOF' 'crowd: sent' 'kept of guests: their share' 'after: EOF'
}

@test "what a guest says of its connection is not believed: the log names what the kernel does" {
    run -0 timeout 60 env SAFECLOSE_LOG="$log" SAFECLOSE_LINGER_IDLE=300ms LD_PRELOAD="$LIBSAFECLOSE" \
        SAFECLOSE_MODE=linger "$programs/rights" forged 3>&-
    same 'before: EOF' "${lines[0]}"
    same 'after: EOF' "${lines[2]}"
    read -r _ pid ours peer <<<"${lines[1]}"
    json "$log" "
ends = [e for e in events if e['event'] == 'linger-end' and e['pid'] == $pid]
assert len(ends) == 1, ends
assert ends[0]['tid'] == $pid and ends[0]['local'] == '$ours' and ends[0]['peer'] == '$peer', ends"
}

@test "what a guest's threads may be in a call on is left to it: not read, not ended, not kept" {
    run -0 timeout 60 env SAFECLOSE_LOG="$log" LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=linger \
        "$programs/rights" threads-of-child 3>&-
    read -r _ pid <<<"${lines[1]}"
    same "$(printf '%s\n' 'before: EOF' "child $pid" "child's: 10 bytes unread, open" \
        'threads-of-child: none kept' 'after: EOF')" "$output"
    json "$log" "
ends = [e for e in events if e['event'] == 'linger-end' and e['pid'] == $pid]
assert [(e['ended_by'], e['discarded'], e['outcome']) for e in ends] == [('in-use', 0, 'unknown')], ends"
}

@test "a message without a byte is not the end of the feed" {
    plays empty-messages 'before: EOF' 'empty-messages: EOF' 'the same lot'
}

@test "a child that shuts the feed down does not end the lingering" {
    linger_time=5s plays shut-down 'before: EOF' 'shut-down: EOF'
}

@test "a child that floods the feed does not end the lingering" {
    mapfile -t meanwhile < <(yes 'meanwhile: EOF' | head -n 60)
    plays flood 'before: EOF' "${meanwhile[@]}"
}

# Who holds what (holders/); and what the family has counted and told (report/ledger.h), of which a process of other
# rights has its own.
@test "two mappings are shared with fork children" {
    plays shared 'first: EOF' 'shared mappings: 2'
}

# ---- The drop of rights --------------------------------------------------------------------------------

@test "after setuid no thread has the old rights, and lingering goes on" {
    plays drop 'before: EOF' 'threads of root: 0, in time: yes' 'after: EOF'
}

@test "after setuid no thread has the old rights, though the lot's own close was waiting" {
    plays drop-while-closing 'before: EOF' 'threads of root: 0, in time: yes' 'after: EOF'
}

@test "after setuid no thread has the old rights, though no message reaches the lot" {
    plays unreachable 'before: EOF' 'threads of root: 0, in time: yes'
}

# ---- Calls that fail -----------------------------------------------------------------------------------

# With a remedy or, as without the library, with a reset: depending on when the lot finds out.
@test "recvmsg, epoll_pwait, clock_gettime or SO_PASSCRED refused: no hang, no loop, no thread of old rights" {
    for call in recvmsg epoll_pwait clock_gettime passcred; do
        end=$(SAFECLOSE_LOG="$log" timeout 60 env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=linger \
            "$programs/rights" "$call" 3>&-)
        # Where the kernel lends its clock no call asks for it.
        matches "^$call: (EOF|ECONNRESET) idle: yes (no|a) lot threads of root: 0, in time: yes ?$" \
            "$(tr '\n' ' ' <<<"$end")"
    done
}

@test "futex or nanosleep refused: no hang, no loop, no thread of old rights" {
    for call in futex nanosleep; do
        plays "$call" "$call: EOF" 'idle: yes' 'a lot' 'threads of root: 0, in time: yes'
    done
}

@test "getsockopt(SO_LINGER) refused: a reset that was asked for stays" {
    for mode in drain linger; do
        plays zero-linger 'asked for: ECONNRESET'
    done
}

@test "fcntl(F_GETFD) refused: what a program keeps is not drained" {
    for mode in drain linger; do
        plays kept-by-exec 'reader: 8 bytes'
    done
}

@test "rt_sigprocmask refused when it should restore the mask: no signal stays blocked" {
    for mode in log drain linger; do
        plays restoring 'after: none blocked'
    done
}

# ---- Memory --------------------------------------------------------------------------------------------

@test "the lot takes less than 1 MB of address space" {
    plays memory 'first: EOF' 'lot: 1, below 1 MB: yes'
}
