#!/usr/bin/env bats
# Families of processes: each reset of theirs is told once, by whoever's close it was, and explained once; nothing is
# told that was none; a process that uses no TCP is silent. The truth is the kernel's count, and what peers read.

# Takes long.

load ../support/helper

port=8080

setup()
{
    started=()
    log=$BATS_TEST_TMPDIR/log
    errors=$BATS_TEST_TMPDIR/errors
    # For a worker that becomes nobody.
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
}

teardown()
{
    end_started
}

# serves MODE SCENE ARGUMENT...: begins that server.
serves()
{
    resets_before=$(counter TCPAbortOnClose)
    env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" SAFECLOSE_LOG="${log_to-$log}" \
        "$programs/told_family" "$2" "$port" "${@:3}" \
        </dev/null >"$BATS_TEST_TMPDIR/output" 2>"$errors" 3>&- &
    server=$!
    started+=("$server")
    wait_until listens "$port"
}

# has_clients COUNT [fin]: what they read is in $read.
has_clients()
{
    read=$("$programs/told_family" clients "$port" "$@")
}

# has_ended: the server has, by itself. The kernel's resets are in $resets.
has_ended()
{
    local status=0
    wait "$server" || status=$?
    same 0 "$status" || fail "$(<"$errors")"
    resets=$(($(counter TCPAbortOnClose) - resets_before))
}

# ---- No reset, none told --------------------------------------------------------------------------------------

# no_alarm MODE [nobody]: whatever the parent's closes would do without the child, nothing is told as a reset.
no_alarm()
{
    serves "$1" streams 600 "${@:2}"
    has_clients 600
    has_ended
    same 'eof 600 reset 0' "$read"
    same 0 "$resets"
    json "$log" '
rst = [e for e in events if e.get("outcome") == "rst"]
kinds = [(e["outcome"], e["note"], e["confirmed"]) for e in closes]
print("# told:", {kind: kinds.count(kind) for kind in set(kinds)}, "as reset:", rst[:2], file=sys.stderr)
assert not rst
assert not [e for e in closes if e["outcome"] == "unknown"]
assert all(s["outcomes"]["rst"] == 0 and s["rst_later"] == 0 for s in summaries), summaries'
    same '' "$(<"$errors")"
}

@test "a child reads all and closes well, the parent's streams close at the same time: log tells no reset" {
    no_alarm log
}

@test "a child reads all and closes well, the parent's streams close at the same time: warn explains none" {
    no_alarm warn
}

@test "a child that is nobody reads all and closes well: no reset is told" {
    no_alarm warn nobody
}

# Then a close in order may leave nothing to be found, either.
@test "a child reads all behind the peer's FIN and closes well: no reset is told as certain" {
    serves warn streams 200
    has_clients 200 fin
    has_ended
    same 'eof 200 reset 0' "$read"
    same 0 "$resets"
    json "$log" '
rst = [e for e in events if e.get("outcome") == "rst"]
print("# as reset:", len(rst), "of 200, certain:", [e for e in rst if e["confirmed"]], file=sys.stderr)
assert not [e for e in rst if e["confirmed"]]'
}

# ---- Once -----------------------------------------------------------------------------------------------------

@test "a child for each connection: one explanation, one reset told for each, one summary, one start" {
    serves warn fork-each 20
    has_clients 20
    has_ended
    same 'eof 0 reset 20' "$read"
    same 20 "$resets"
    json "$log" '
rst = [e for e in closes if e["outcome"] == "rst"]
print("#", len(events), "events", len(closes), "closes", len(rst), "resets", len(summaries), "summaries",
    [(e["event"], e["outcome"], e["note"], e["confirmed"]) for e in closes[:4]], file=sys.stderr)
assert len(rst) == 20 and all(e["confirmed"] for e in rst)
assert not [e for e in events if e["event"] == "close-end"]
assert len(starts) == 1
assert len(summaries) == 1 and summaries[0]["so_far"] is False
assert summaries[0]["outcomes"]["rst"] == 20, summaries
assert summaries[0]["rst_later"] == 0 and summaries[0]["suppressed"] == 0, summaries'
    same '1 1' "$(grep -c '  why: ' "$errors") $(grep -c '  fix: ' "$errors")" ||
        fail "$(<"$errors")"
}

# each_once SCENE COUNT
each_once()
{
    serves log "$1" "$2"
    has_clients "$2"
    has_ended
    same "eof 0 reset $2" "$read"
    json "$log" "
import collections
resets = $resets
told = [e for e in events if e['event'] in ('close', 'close-end') and e['outcome'] == 'rst']
by_cookie = collections.Counter(e['cookie'] for e in told)
kinds = collections.Counter((e['event'], e['outcome'], e['note'], e['confirmed'])
    for e in events if e['event'] in ('close', 'close-end'))
print('# $1: kernel', resets, 'told', len(told), 'twice', len([c for c in by_cookie if by_cookie[c] > 1]),
    dict(kinds), [(s['suppressed'], s['lost'], s['forgotten'], s['outcomes'], s['rst_later'])
    for s in summaries], file=sys.stderr)
assert resets == $2
assert all(s['suppressed'] == 0 for s in summaries)
assert max(by_cookie.values()) == 1
assert len(told) == resets
assert not [e for e in closes if e['outcome'] == 'unknown']
unsure = [e for e in told if e['event'] == 'close-end' and not e['confirmed']]  # counted as held by a stranger
assert sum(s['outcomes']['rst'] + s['rst_later'] for s in summaries) + len(unsure) == resets, summaries"
}

@test "two processes close each connection at once: each reset is told once" {
    each_once two-processes 500
}

@test "a process ends while another closes each connection: each reset is told once" {
    each_once end-and-close 500
}

@test "a process ends while another closes each connection: all are drained, or linger" {
    local mode
    for mode in drain linger; do
        serves "$mode" end-and-close 500
        has_clients 500
        has_ended
        same 'eof 500 reset 0' "$read" || fail "$mode"
    done
}

# Whether the child's end does it or the thread to which the close has passed it: late data must not reset it.
@test "a child outlives the close of a process with threads: what it leaves lingers, too" {
    local resets_before
    serves linger outlived 200
    resets_before=$(counter OutRsts)
    has_clients 200 late
    has_ended
    same 'eof 200 reset 0, 0 resets' "$read, $(($(counter OutRsts) - resets_before)) resets"
}

@test "two processes, one of them sent it, close each connection at once: each reset is told once" {
    each_once given 500
}

@test "two threads close a number each of each connection at once: each reset is told once" {
    each_once two-threads 500
}

# ---- Members of other rights -----------------------------------------------------------------------------------

# The worker's closes are more than are written in a second.
@test "a worker that became nobody has its own summary, and silences nobody else" {
    serves warn other-rights 300
    has_clients 301
    has_ended
    same 'eof 0 reset 301' "$read"
    same 301 "$resets"
    json "$log" "
parent = $server
own = [e for e in closes if e['pid'] == parent]
print('#', len(closes), 'closes', own, summaries, file=sys.stderr)
assert [(e['outcome'], e['confirmed']) for e in own] == [('rst', True)], own
by_pid = {s['pid'] == parent: s for s in summaries}
assert len(summaries) == 2 and len(by_pid) == 2
assert by_pid[True]['outcomes']['rst'] == 1 and by_pid[True]['suppressed'] == 0
assert by_pid[False]['outcomes']['rst'] == 300 and by_pid[False]['suppressed'] > 0
assert len([e for e in closes if e['pid'] != parent]) + by_pid[False]['suppressed'] == 300"
    same 2 "$(grep -c '  why: ' "$errors")" || fail "$(<"$errors")"
}

# ---- The summary so far ---------------------------------------------------------------------------------------

@test "a family ended by SIGTERM has left a summary so far" {
    SAFECLOSE_SUMMARY=100ms serves log prefork 3
    has_clients 60
    kill "$server"
    wait "$server" || true
    same 'eof 0 reset 60' "$read"
    json "$log" '
print("#", summaries[-1:], file=sys.stderr)
assert summaries and all(s["so_far"] is True for s in summaries)
assert all(a["closes"] < b["closes"] for a, b in zip(summaries, summaries[1:]))
assert 0 < summaries[-1]["closes"] <= 60
assert len(starts) == 1'
}

# ---- Who speaks -----------------------------------------------------------------------------------------------

# announced MODE CALL: nothing is said before that call, then one line; and at the end a summary.
announced()
{
    local said="$log.$1.$2" listener=() command=("$programs/told_family" uses "$2" "$port")
    [[ $2 != accept ]] || command=("$programs/told_family" with-listener "$port" env
        LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" SAFECLOSE_LOG="$said" SAFECLOSE_FORMAT=text "${command[@]}")
    if [[ $2 == accept ]]; then
        begin "${command[@]}" 2>"$errors"
    else
        SAFECLOSE_LOG=$said SAFECLOSE_FORMAT=text begin preloaded "$1" "${command[@]}" 2>"$errors"
    fi
    hear ready
    [[ ! -e $said ]] || fail "$1 $2: too early: $(<"$said")"
    go_on
    if [[ $2 == accept ]]; then
        "$programs/told_family" clients "$port" 1 >"$BATS_TEST_TMPDIR/read" 3>&- &
        listener=("$!")
    fi
    hear 'done'
    same 1 "$(grep -c "watching closes; mode $1" "$said")" || fail "$1 $2" "$(cat "$said")"
    go_on
    finish
    same 0 "$status"
    ((${#listener[@]} == 0)) || wait "${listener[@]}"
    same '1 1' "$(grep -c 'watching closes' "$said") $(grep -c ' TCP close' "$said")" ||
        fail "$1 $2" "$(cat "$said")"
    same '' "$(<"$errors")"
}

@test "the start is said at the first listen, connect or accept, in every mode but off" {
    local mode listener
    for mode in log warn drain linger; do
        announced "$mode" listen
        announced "$mode" accept
    done
    begin "$programs/told_family" with-listener "$port" cat
    wait_until listens "$port"
    listener=("$program" "$to_program" "$from_program")
    for mode in log warn drain linger; do
        announced "$mode" connect
    done
    program=${listener[0]} to_program=${listener[1]} from_program=${listener[2]}
    finish
}

@test "the start is said once for a family" {
    local mode
    for mode in log warn drain linger; do
        log_to=$log.$mode SAFECLOSE_FORMAT=text serves "$mode" prefork 3
        has_clients 9
        kill "$server"
        wait "$server" || true
        same 1 "$(grep -c 'watching closes' "$log.$mode")" || fail "$(<"$log.$mode")"
        same '' "$(grep -v '^safeclose:   ' "$errors" || true)"
    done
}

@test "off is silent" {
    serves off fork-each 5
    has_clients 5
    has_ended
    same 5 "$resets"
    same '' "$(<"$errors")"
    [[ ! -e $log ]] || fail "$(<"$log")"
}

# leaked MODE COMMAND...: nothing is written, to stderr or to any log.
leaked()
{
    local logs=$BATS_TEST_TMPDIR/logs-$1
    mkdir -p "$logs"
    SAFECLOSE_LOG=$logs/%p "$programs/told_family" leak env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" \
        "${@:2}" 2>"$errors" 3>&-
    same '' "$(<"$errors")"
    same '' "$(ls "$logs")" || fail "$1: $(cat "$logs"/*)"
    SAFECLOSE_LOG=stderr "$programs/told_family" leak env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" \
        "${@:2}" 2>"$errors" 3>&-
    same '' "$(<"$errors")"
}

@test "who has only inherited what leaked over an exec is silent, and leaves no log" {
    local mode resets
    resets=$(counter TCPAbortOnClose)
    for mode in log warn drain linger; do
        leaked "$mode" true
    done
    # Such processes do reset what leaked.
    (($(counter TCPAbortOnClose) > resets)) || fail 'nothing has leaked'
}

@test "a shell with 20 children, among which something leaked, is silent, and leaves no log" {
    local mode
    for mode in warn linger; do
        # shellcheck disable=SC2016
        leaked "$mode" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do /bin/true; done; :'
    done
}

@test "who takes on another user's rights for each connection has one explanation, and one limit" {
    run -0 --separate-stderr env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE=warn python3 -c '
import os, socket
listener = socket.create_server(("127.0.0.1", 0))
for i in range(300):
    client = socket.create_connection(listener.getsockname())
    client.send(b"12345")
    server, _ = listener.accept()
    os.seteuid(65534)
    server.close()
    os.seteuid(0)'
    same 1 "$(grep -c '  why:' <<<"$stderr")"
    matches ' 30[0-9] RST| 300 RST' "$(grep 'TCP closes' <<<"$stderr")"
    (($(grep -c 'RST \[unread-data\]' <<<"$stderr") <= 200)) # a limit for each of the seconds that it took
}

# opened COMMAND...: the files that it opens.
opened()
{
    strace -qq -f -e trace=open,openat,openat2 -o trace -E "LD_PRELOAD=$1" "${@:2}"
    sed -n 's/^[^"]*"\([^"]*\)".*/\1/p' trace | sort -u
}

@test "a program that never uses TCP opens no file but its libraries" {
    local bare with
    cd "$BATS_TEST_TMPDIR"
    bare=$(opened '' true)
    with=$(opened "$LIBSAFECLOSE" true)
    [[ $with == *"$LIBSAFECLOSE"* ]] || fail "the library was not loaded: $with"
    same "$bare" "$(grep -v "$LIBSAFECLOSE" <<<"$with")"
}
