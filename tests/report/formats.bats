#!/usr/bin/env bats
# What a log says, word for word: people search for these sentences, and scripts read these keys.
# What differs from run to run (times, pids, ports) is compared with what others say of it: the
# clock, the program's own answers, readelf.

load ../support/helper

setup()
{
    log=$BATS_TEST_TMPDIR/log
    export SAFECLOSE_STACK=0 # return addresses have their own tests, in stack.bats
}

# The text log of a run in MODE, with times, pids and ports taken out.
text_of()
{
    preloaded "$@" 2>&1 >"$BATS_TEST_TMPDIR/said" | undated
}

# may_send COUNT [OUTPUT]: what the summary says of so many closes in order, of which some had output unacknowledged.
may_send()
{
    echo "$1 closed while the peer could still send (${2-0} with output unacknowledged; a later reset of those is not seen here)"
}

# One-liners alone: what stands behind the head of each line about a close.
closes_of()
{
    text_of "$@" | sed -n 's/^safeclose: TIME [^:]*: close(FD) //p'
}

# The JSON log of a run in MODE, in $log.
json_of()
{
    rm -f "$log"
    SAFECLOSE_LOG=$log preloaded "$@" >"$BATS_TEST_TMPDIR/said"
}

# known COMMAND...: what it prints. Others who hold a connection are looked for within a bounded
# time, which a busy machine may use up: the command is repeated until it didn't.
known()
{
    for _ in {1..20}; do
        "$@" >"$BATS_TEST_TMPDIR/known"
        grep -qsE 'another process or thread may hold|[1-9][0-9]* unknown|owner-unknown' "$BATS_TEST_TMPDIR/known" "$log" ||
            break
    done
    cat "$BATS_TEST_TMPDIR/known"
}

v4='127.0.0.1:PORT->127.0.0.1:PORT:'
head='safeclose: TIME speaker[PID]:'

# ---- Text ------------------------------------------------------------------------------------

@test "a line begins with the time in UTC, the program and its pid" {
    export TZ=Asia/Tokyo
    before=$(date -u +%s%3N)
    run -0 --separate-stderr preloaded log "$speaker" facts
    after=$(date -u +%s%3N)
    read -r pid _ <<<"$output"
    matches $'\n'"safeclose: ([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{3})Z speaker\[$pid\]: close\(" \
        "$stderr"
    time=$((((10#${BASH_REMATCH[1]} * 60 + 10#${BASH_REMATCH[2]}) * 60 + \
        10#${BASH_REMATCH[3]}) * 1000 + 10#${BASH_REMATCH[4]}))
    # Milliseconds from before, modulo a day: midnight may have come in between.
    (((time - before % 86400000 + 86400000) % 86400000 <= after - before)) ||
        fail "not between $before and $after: $stderr"
}

@test "a line names descriptor and addresses, our own first" {
    run -0 --separate-stderr preloaded log "$speaker" facts
    read -r _ _ fd ours peer _ <<<"$output"
    matches "\]: close\($fd\) $ours->$peer: RST " "$stderr"
}

@test "warn in full: announcement, one-liner, explanation, summary" {
    same "$head watching closes; mode warn changes nothing
$head close(FD) $v4 RST [unread-data] 1024 bytes unread, 0 unacked
safeclose:   what: the program opened this connection and closed it before reading all that the server sent
safeclose:   fix: read the answer to its end before close, even if it is not needed; without touching the program: SAFECLOSE_MODE=linger
safeclose:   why: Linux resets instead of closing when bytes are unread (RFC 2525, 2.17)
safeclose:   peer: \"Connection reset by peer\", possibly after reading data it already received
$head 1 TCP close: 1 RST, 0 unknown; see safeclose report" "$(text_of warn "$speaker" bytes:1024 opened)"
}

@test "log in full: announcement, one-liners and summary" {
    same "$head watching closes; mode log changes nothing
$head close(FD) $v4 RST [unread-data] 5 bytes unread, 0 unacked
$head close(FD) $v4 RST [unread-data] 5 bytes unread, 0 unacked
$head 2 TCP closes: 2 RST, 0 unknown; see safeclose report" "$(text_of log "$speaker" opened:2)"
}

@test "drain in full: announcement, one-liners and summary" {
    same "$head watching closes; mode drain
$head close(FD) $v4 FIN [unread-data] 5 bytes drained; would have been RST
$head 1 TCP close: 0 RST, 0 unknown, 1 drained, $(may_send 1)" "$(text_of drain "$speaker" opened)"
}

believed='discarded that the peer believes delivered'

# How long a connection lingered, as a word.
without_ms()
{
    sed -E 's/lingering for [0-9]+ ms/lingering for MS ms/'
}

@test "linger in full: announcement, one-liners, ends and summary" {
    same "$head watching closes; mode linger
$head close(FD) $v4 FIN [unread-data] 5 bytes unread; lingering; would have been RST
$head close(FD) $v4 FIN [unread-data] after lingering for MS ms, 5 bytes $believed: the process ended
$head 2 TCP closes: 0 RST, 0 unknown, 1 lingering" \
        "$(SAFECLOSE_EXIT_WAIT=0 text_of linger "$speaker" unread | without_ms)"
}

@test "a clean close that lingers, where all closes are asked for" {
    same "$v4 FIN [none] 0 unacked; lingering
$v4 FIN [none] after lingering for MS ms, 0 bytes discarded: the process ended" \
        "$(SAFECLOSE_EVENTS=all SAFECLOSE_EXIT_WAIT=0 closes_of linger "$speaker" clean | without_ms | head -n 2)"
}

# end_of SETTING=VALUE... STEP...: the line of a lingering's end.
end_of()
{
    local settings=()
    while [[ $1 == SAFECLOSE_* ]]; do
        settings+=("$1")
        shift
    done
    text_of linger env "${settings[@]}" "$speaker" "$@" | without_ms |
        sed -n 's/^safeclose: TIME [^:]*: close(FD) //p' | grep -F 'after lingering'
}

# The ends that the peer makes are told among the tests of lingering.
@test "what ended a lingering, in words" {
    same "$v4 FIN [unread-data] after lingering for MS ms, 5 bytes $believed: the peer was silent for SAFECLOSE_LINGER_IDLE" \
        "$(end_of SAFECLOSE_LINGER_IDLE=50ms unread settle)"
    same "$v4 FIN [unread-data] after lingering for MS ms, 5 bytes $believed: SAFECLOSE_LINGER_TIME has passed" \
        "$(end_of SAFECLOSE_LINGER_TIME=50ms unread settle)"
    same "$v4 RST [unread-data] after lingering for MS ms, 4 bytes $believed: the peer sent more than SAFECLOSE_DISCARD_MAX" \
        "$(end_of SAFECLOSE_DISCARD_MAX=4 unread)"
    same "$v4 FIN [unread-data] after lingering for MS ms, 5 bytes $believed: the process ended" \
        "$(end_of SAFECLOSE_EXIT_WAIT=0 unread)"
}

@test "one byte is one byte" {
    same "$v4 RST [unread-data] 1 byte unread, 0 unacked" \
        "$(closes_of log "$speaker" bytes:1 unread)"
    same "$v4 FIN [unread-data] 1 byte drained; would have been RST" \
        "$(closes_of drain "$speaker" bytes:1 unread)"
}

@test "a reset that the program asked for says so, in drain too" {
    for mode in log drain; do
        same "$v4 RST [zero-linger] asked for by the program" \
            "$(closes_of $mode "$speaker" zero-linger)"
    done
}

@test "clients that wait to be accepted are counted" {
    same '127.0.0.1:PORT: RST [pending-accepts] to 1 client waiting to be accepted; no mode prevents this' \
        "$(closes_of log "$speaker" pending:1)"
    same '127.0.0.1:PORT: RST [pending-accepts] to 7 clients waiting to be accepted; no mode prevents this' \
        "$(closes_of drain "$speaker" pending:7)"
}

@test "who else holds a connection that is left alone" {
    same "$v4 left alone [unread-data] 5 bytes unread: shared with descriptor NUMBER" \
        "$(known closes_of drain "$speaker" shared | sed -E 's/[0-9]+$/NUMBER/')"
    same "$v4 nothing sent [unread-data] 5 bytes unread: shared with descriptor NUMBER" \
        "$(known closes_of log "$speaker" shared | sed -E 's/[0-9]+$/NUMBER/')"
}

@test "a close without a cause, where all closes are asked for" {
    same "$v4 FIN [none] 0 unacked" "$(SAFECLOSE_EVENTS=all closes_of log "$speaker" clean)"
}

@test "IPv6 addresses stand in brackets, mapped ones are IPv4" {
    same '[::1]:PORT->[::1]:PORT: RST [unread-data] 5 bytes unread, 0 unacked' \
        "$(closes_of log "$speaker" ipv6 unread)"
    same "$v4 RST [unread-data] 5 bytes unread, 0 unacked" \
        "$(closes_of log "$speaker" mapped unread)"
}

@test "output that a reset loses is told first, as many bytes as the program's own question finds" {
    told=$(text_of warn "$speaker" answered:1000000)
    unacked=$(cat "$BATS_TEST_TMPDIR/said")
    ((unacked > 0))
    kb=$(awk -v n="$unacked" 'BEGIN { printf "%.1f kB", n / 1000 }')
    same "$head close(FD) $v4 RST [unread-data] 5 bytes unread, $kb unacked
safeclose:   LOSS: up to $unacked bytes ($kb) of this program's output ($unacked never sent)
safeclose:   what: the program read nothing of what this client sent
safeclose:   fix: shutdown(fd, SHUT_WR), read to EOF or a time limit, then close; without touching the program: SAFECLOSE_MODE=linger
safeclose:   why: Linux resets instead of closing when bytes are unread (RFC 2525, 2.17)
safeclose:   peer: \"Connection reset by peer\", possibly after reading data it already received" \
        "$(sed -n 2,7p <<<"$told")"
}

@test "the explanation of a reset that the program asked for" {
    same "safeclose:   what: programs most often set this to avoid TIME_WAIT; it discards output that is not delivered yet
safeclose:   fix: do not set SO_LINGER {1,0} or a negative TCP_LINGER2 unless a reset is intended; no mode prevents this
safeclose:   why: the program asked for a reset: SO_LINGER with a time of 0, or a negative TCP_LINGER2
safeclose:   peer: \"Connection reset by peer\"" \
        "$(text_of warn "$speaker" zero-linger | grep '^safeclose:   ')"
}

@test "the explanation of clients waiting to be accepted" {
    same "safeclose:   what: most often a restart: these clients were connected, but the program had not accepted them yet
safeclose:   fix: accept the waiting clients before close, or pass the listening socket on at a restart (socket activation); no mode prevents this
safeclose:   why: Linux resets the connections that wait to be accepted when their listening socket is closed
safeclose:   peer: \"Connection reset by peer\", although its connect succeeded" \
        "$(text_of warn "$speaker" pending:3 | grep '^safeclose:   ')"
}

@test "each call site and cause is explained once" {
    same 1 "$(text_of warn "$speaker" unread:3 unread:2 | grep -c '  why: ')"
    same 2 "$(text_of warn "$speaker" unread:3 opened:3 | grep -c '  why: ')"
    same 3 "$(text_of warn "$speaker" unread zero-linger pending:1 unread | grep -c '  why: ')"
}

@test "a fork child is not told again what its parent was told" {
    same 1 "$(text_of warn "$speaker" unread children:2 unread | grep -c '  why: ')"
}

@test "only warn explains" {
    for mode in log drain; do
        same '' "$(text_of $mode "$speaker" unread zero-linger pending:1 | grep '^safeclose:   ')"
    done
}

@test "every mode but off announces itself" {
    while read -r mode words; do
        same "$head watching closes; mode $words" "$(text_of "$mode" "$speaker" opened | grep watching)"
    done <<'END'
log log changes nothing
warn warn changes nothing
drain drain
linger linger
END
    same '' "$(text_of off "$speaker" opened)"
}

@test "a family announces itself once, and has one summary, by the last that ends" {
    told=$(text_of log "$speaker" unread children:3 unread opened)
    same 1 "$(grep -c 'watching closes' <<<"$told")"
    same "$head watching closes; mode log changes nothing" "$(head -n 1 <<<"$told")"
    same 1 "$(grep -c 'TCP closes' <<<"$told")"
    matches ' TCP closes: 7 RST, 0 unknown; see safeclose report$' "$(tail -n 1 <<<"$told")"
}

@test "the announcement comes once, at the first listen, accept or connect" {
    same 1 "$(text_of warn "$speaker" clean unread opened clean | grep -c 'watching closes')"
    same "$head watching closes; mode warn changes nothing" \
        "$(text_of warn "$speaker" opened | head -n 1)"
}

# The listening socket, closed by the end of the process, is one of them.
@test "the summary counts every close once" {
    same "$head 4 TCP closes: 0 RST, 0 unknown, $(may_send 3)" "$(text_of log "$speaker" clean:3 | tail -n 1)"
    same "$head 6 TCP closes: 2 RST, 0 unknown, $(may_send 3); see safeclose report" \
        "$(text_of log "$speaker" clean:2 unread opened clean | tail -n 1)"
}

@test "the summary counts what is closed by the end of the process" {
    same "$head 3 TCP closes: 0 RST, 0 unknown, $(may_send 2)" "$(text_of log "$speaker" keep keep | tail -n 1)"
}

@test "the summary counts what was closed before the rights changed" {
    [ "$(id -u)" = 0 ] || skip 'needs root'
    same "$head 3 TCP closes: 2 RST, 0 unknown; see safeclose report" "$(text_of log "$speaker" unread user:65534 unread | tail -n 1)"
}

@test "the summary counts what was drained and what was left alone" {
    same "$head 5 TCP closes: 1 RST, 0 unknown, 2 drained, 1 left alone, $(may_send 2); see safeclose report" \
        "$(known text_of drain "$speaker" opened shared zero-linger | tail -n 1)"
}

@test "the summary counts closes after which later data could still do harm" {
    same "$head 2 TCP closes: 0 RST, 0 unknown, 1 drained, $(may_send 1 1)" \
        "$(text_of drain "$speaker" answered:1000000 | tail -n 1)"
}

@test "a process that used no TCP says nothing" {
    same '' "$(text_of warn "$speaker" say:hello)"
    json_of warn "$speaker" say:hello
    [ ! -e "$log" ]
}

@test "a program's odd name can't forge a line or move a cursor" {
    name=$'o"d\\\nd\e\xff'
    cp "$speaker" "$BATS_TEST_TMPDIR/$name"
    same "safeclose: TIME o\"d\\x5c\\x0ad\\x1b\\xff[PID]: 1 TCP close: 1 RST, 0 unknown; see safeclose report" \
        "$(text_of log "$BATS_TEST_TMPDIR/$name" opened | tail -n 1)"
}

# ---- JSON ------------------------------------------------------------------------------------

# The keys and values of FILE's event of a kind, numbers that differ from run to run as 0.
shape()
{
    sed -nE '/"event":"'"$1"'"/ {
        s/"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"/"time":"T"/
        s/"(pid|tid|fd|netns|mono_ns)":[1-9][0-9]*/"\1":0/g
        s/"cookie":"0x[0-9a-f]+"/"cookie":"0x0"/
        s/(127\.0\.0\.1|\[::1\]):[0-9]+/\1:0/g
        s/"(executable|build_id)":"[^"]*"/"\1":""/g
        s/"host":"'"$(uname -n)"'"/"host":"HOST"/
        p
    }' "$log"
}

@test "the keys of a close are these, in this order" {
    json_of log "$speaker" unread
    same '{"v":1,"time":"T","event":"close","pid":0,"tid":0,"comm":"speaker","host":"HOST","via":"close","fd":0,"proto":"tcp","local":"127.0.0.1:0","peer":"127.0.0.1:0","state":"ESTABLISHED","cause":"unread-data","unread":5,"unacked":0,"unsent":0,"action":"none","outcome":"rst","confirmed":true,"discarded":0,"opened_by":"peer","progress":"untouched","content":"binary","note":"","preview":"","stack":[],"truncated":false,"urgent":false,"cookie":"0x0","netns":0,"mono_ns":0}' \
        "$(shape close)"
}

@test "a drained close differs in action, outcome and discarded" {
    json_of drain "$speaker" unread
    same '{"v":1,"time":"T","event":"close","pid":0,"tid":0,"comm":"speaker","host":"HOST","via":"close","fd":0,"proto":"tcp","local":"127.0.0.1:0","peer":"127.0.0.1:0","state":"ESTABLISHED","cause":"unread-data","unread":5,"unacked":0,"unsent":0,"action":"drained","outcome":"fin","confirmed":true,"discarded":5,"opened_by":"peer","progress":"untouched","content":"binary","note":"","preview":"","stack":[],"truncated":false,"urgent":false,"cookie":"0x0","netns":0,"mono_ns":0}' \
        "$(shape close)"
}

@test "a lingering close differs in action and outcome" {
    SAFECLOSE_EXIT_WAIT=0 json_of linger "$speaker" unread
    same '{"v":1,"time":"T","event":"close","pid":0,"tid":0,"comm":"speaker","host":"HOST","via":"close","fd":0,"proto":"tcp","local":"127.0.0.1:0","peer":"127.0.0.1:0","state":"ESTABLISHED","cause":"unread-data","unread":5,"unacked":0,"unsent":0,"action":"lingering","outcome":"fin","confirmed":true,"discarded":0,"opened_by":"peer","progress":"untouched","content":"binary","note":"","preview":"","stack":[],"truncated":false,"urgent":false,"cookie":"0x0","netns":0,"mono_ns":0}' \
        "$(shape close)"
}

# By then the peer has acknowledged the FIN, or not.
@test "the keys of a lingering's end are those of its close, and two more" {
    SAFECLOSE_EXIT_WAIT=0 json_of linger "$speaker" unread
    same '{"v":1,"time":"T","event":"linger-end","pid":0,"tid":0,"comm":"speaker","host":"HOST","via":"close","fd":0,"proto":"tcp","local":"127.0.0.1:0","peer":"127.0.0.1:0","state":"S","cause":"unread-data","unread":0,"unacked":0,"unsent":0,"action":"lingering","outcome":"fin","confirmed":true,"discarded":5,"opened_by":"","progress":"","content":"","note":"","preview":"","stack":[],"truncated":false,"urgent":false,"cookie":"0x0","netns":0,"mono_ns":0,"ended_by":"exit","ms":MS}' \
        "$(shape linger-end | sed -E 's/"state":"FIN_WAIT[12]"/"state":"S"/; s/"ms":[0-9]+/"ms":MS/')"
}

@test "a lingering's end has the identity of its close" {
    SAFECLOSE_EXIT_WAIT=0 json_of linger "$speaker" unread:3 threads:2=1 opened
    json "$log" '
ends = [e for e in events if e["event"] == "linger-end"]
who = ("pid", "tid", "comm", "via", "fd", "proto", "local", "peer", "cause", "cookie", "netns")
assert len(closes) == len(ends) == 6, events
assert sorted([e[key] for key in who] for e in closes) == sorted([e[key] for key in who] for e in ends), events
for end in ends:
    close = [e for e in closes if e["cookie"] == end["cookie"]][0]
    assert 0 <= end["ms"] <= (end["mono_ns"] - close["mono_ns"]) / 1e6 + 1, (close, end)'
}

# A connection that a call in another thread holds when it is closed, and that is reset when the call is over: it
# waits for nine bytes, and takes none.
held='import os, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.send(b"12345")
while len(server.recv(9, socket.MSG_PEEK)) < 5: pass
caller = threading.Thread(target=lambda: server.recv(9, socket.MSG_PEEK | socket.MSG_WAITALL))
caller.start()
while not open("/proc/self/task/%d/syscall" % caller.native_id).read().startswith("45 "): pass
os.close(server.fileno())
client.send(b"6789")
try: client.recv(1)
except ConnectionResetError: print("reset")
caller.join()
server.detach()'

@test "what was held at its close and is reset later has an event of the same keys, and one more" {
    json_of log python3 -c "$held"
    same reset "$(<"$BATS_TEST_TMPDIR/said")"
    keys='"v":1,"time":"T","event":"EVENT","pid":0,"tid":0,"comm":"python3","host":"HOST","via":"close","fd":0,"proto":"tcp","local":"127.0.0.1:0","peer":"127.0.0.1:0","state":"ESTABLISHED","cause":"unread-data","unread":5,"unacked":0,"unsent":0,"action":"none","outcome":OUTCOME,"discarded":0,"opened_by":"peer","progress":"untouched","content":"CONTENT","note":"NOTE","preview":"","stack":[],"truncated":false,"urgent":false,"cookie":"0x0","netns":0,"mono_ns":0'
    keys=${keys/CONTENT/text}
    close=${keys/EVENT/close} close=${close/OUTCOME/'"none","confirmed":true'}
    same "{${close/NOTE/held}}" "$(shape close)"
    end=${keys/EVENT/close-end} end=${end/OUTCOME/'"rst","confirmed":true'}
    same "{${end/NOTE/},\"ms\":MS}" "$(shape close-end | sed -E 's/"ms":[0-9]+/"ms":MS/')"
    json "$log" '
a, b = (e for e in events if e["event"].startswith("close"))
assert a["cookie"] == b["cookie"], events
assert b["ms"] <= (b["mono_ns"] - a["mono_ns"]) / 1e6, (a, b)
s = summaries[0]
assert (s["outcomes"]["rst"], s["rst_later"]) == (0, 1), s'
}

@test "the text of what was held, and reset later" {
    same "$v4 nothing sent [unread-data] 5 bytes unread: still held, most likely by a call in progress or by another process
$v4 RST [unread-data] MS ms after this close, when its last holder let go" \
        "$(closes_of warn python3 -c "$held" | sed -E 's/\] [0-9]+ ms/] MS ms/')"
}

@test "a listening socket's close has its number of waiting clients, and no peer" {
    json_of log "$speaker" pending:2
    same '{"v":1,"time":"T","event":"close","pid":0,"tid":0,"comm":"speaker","host":"HOST","via":"close","fd":0,"proto":"tcp","local":"127.0.0.1:0","peer":"","state":"LISTEN","cause":"pending-accepts","pending":2,"unread":0,"unacked":0,"unsent":0,"action":"none","outcome":"rst","confirmed":true,"discarded":0,"opened_by":"","progress":"","content":"","note":"","preview":"","stack":[],"truncated":false,"urgent":false,"cookie":"0x0","netns":0,"mono_ns":0}' \
        "$(shape close)"
}

@test "causes, actions, outcomes and notes have the words that the manual lists" {
    SAFECLOSE_EVENTS=all known json_of drain "$speaker" unread zero-linger clean shared
    json "$log" '
got = [(e["cause"], e["action"], e["outcome"], e["note"]) for e in closes if e["via"] == "close"]
assert got == [("unread-data", "drained", "fin", ""), ("zero-linger", "none", "rst", ""),
    ("none", "none", "fin", ""), ("unread-data", "passed", "none", "shared")], got'
}

@test "the start names executable, build-id, host, mode and version" {
    json_of drain "$speaker" unread
    same '{"v":1,"time":"T","event":"start","pid":0,"comm":"speaker","host":"HOST","executable":"","build_id":"","mode":"drain","version":"'"$("$top/scripts/package/version")"'"}' \
        "$(shape start)"
}

@test "the start comes before anything else, and the summary after it, once a family" {
    json_of warn "$speaker" clean opened unread children:2 unread
    json "$log" '
kinds = [e["event"] for e in events]
assert kinds == ["start", "close", "close", "close", "close", "summary"], kinds
assert len({e["pid"] for e in closes}) == 3, closes
s = summaries[0]
assert s["so_far"] is False and s["outcomes"]["rst"] == s["confirmed"] == 4 and s["causes"]["unread-data"] == 4, s'
}

@test "the executable is the file's own name, and comm what ps shows" {
    ln -s "$(realpath "$speaker")" "$BATS_TEST_TMPDIR/singer"
    json_of log "$BATS_TEST_TMPDIR/singer" unread
    json "$log" 'assert all(e["comm"] == "singer" for e in events)
assert starts[0]["executable"] == "'"$(realpath "$speaker")"'", starts'
}

@test "the build-id is the one that readelf finds" {
    build_id=$(readelf -n "$speaker" | awk '/Build ID:/ { print $3 }')
    matches '^[0-9a-f]{40}$' "$build_id"
    json_of log "$speaker" unread
    json "$log" 'assert starts[0]["build_id"] == "'"$build_id"'", starts'
}

@test "a program without a build-id has an empty one" {
    objcopy --remove-section .note.gnu.build-id "$speaker" "$BATS_TEST_TMPDIR/speaker"
    json_of log "$BATS_TEST_TMPDIR/speaker" unread
    json "$log" 'assert starts[0]["build_id"] == "", starts'
}

# The duplicate that "shared" leaves is closed, and drained, by the end of the process.
@test "the summary counts by cause, action and outcome" {
    known json_of drain "$speaker" unread zero-linger shared pending:1
    same '{"v":1,"time":"T","event":"summary","pid":0,"comm":"speaker","host":"HOST","mode":"drain","closes":5,"causes":{"none":0,"unread-data":3,"zero-linger":1,"pending-accepts":1},"actions":{"none":2,"drained":2,"draining":0,"lingering":0,"passed":1},"linger_ends":{"peer-fin":0,"peer-rst":0,"idle":0,"time":0,"bytes":0,"evicted":0,"exit":0,"stopped":0,"in-use":0,"drained":0,"delivered":0},"outcomes":{"none":1,"fin":2,"rst":2,"unknown":0,"fin-or-none":0},"confirmed":4,"rst_later":0,"peer_may_send":2,"at_risk":0,"forgotten":0,"too_early":0,"suppressed":0,"lost":0,"see":"safeclose report FILE","so_far":false}' \
        "$(shape summary)"
}

@test "the summary of mode linger counts by how they ended, and each sum is right" {
    SAFECLOSE_LINGER_IDLE=50ms json_of linger "$speaker" clean:3 unread:3 settle opened
    json "$log" '
s = summaries[0]
assert s["mode"] == "linger" and s["closes"] == 8, s
assert s["actions"]["lingering"] == s["linger_ends"]["idle"] == sum(s["linger_ends"].values()) == 6, s
for key in "causes", "actions", "outcomes":
    assert sum(s[key].values()) == 8, s'
}

@test "the summary's causes, actions and outcomes each add up to its closes" {
    json_of drain "$speaker" clean:3 unread:2 opened zero-linger shared pending:1 clean
    json "$log" '
s = summaries[0]
assert s["closes"] == 12, s
for key in "causes", "actions", "outcomes":
    assert sum(s[key].values()) == 12, s'
}

@test "pid, thread, descriptor, addresses and cookie are what the program itself is told" {
    json_of log "$speaker" facts
    read -r pid tid fd ours peer cookie <"$BATS_TEST_TMPDIR/said"
    json "$log" 'e = closes[0]
assert [e["pid"], e["tid"], e["fd"], e["local"], e["peer"], e["cookie"]] == [
    '"$pid, $tid, $fd, \"$ours\", \"$peer\", \"$cookie\""'], e'
}

@test "a thread's close has the thread's id" {
    json_of log "$speaker" threads:2=1
    json "$log" '
assert len({e["tid"] for e in closes}) == 2, closes
assert all(e["tid"] != e["pid"] for e in closes), closes'
}

# The log's high number makes the kernel's table of descriptors grow, for which the first thread waits.
@test "threads whose first uses of TCP come at the same time lose no event, and no confirmation" {
    json_of log "$speaker" threads:4=2
    json "$log" '
assert [e["event"] for e in events] == ["start"] + 8 * ["close"] + ["summary"], events
assert all(e["outcome"] == "rst" and e["confirmed"] for e in closes), closes'
}

@test "netns is the number that lsns shows" {
    json_of log "$speaker" unread
    json "$log" "assert closes[0]['netns'] == $(stat -Lc %i /proc/self/ns/net), closes"
}

@test "time is the wall clock's, in UTC, and mono_ns the monotonic clock's" {
    TZ=Asia/Tokyo python3 - "$log" env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_LOG="$log" \
        "$speaker" unread 2>/dev/null <<'END'
import calendar, json, subprocess, sys, time
before = time.time_ns(), time.monotonic_ns()
subprocess.run(sys.argv[2:], check=True)
after = time.time_ns(), time.monotonic_ns()
event = [e for e in map(json.loads, open(sys.argv[1])) if e["event"] == "close"][0]
whole, fraction = event["time"][:-1].split(".")
ns = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction) * 1000
assert before[0] // 1000 * 1000 <= ns <= after[0], (before, event, after)
assert before[1] <= event["mono_ns"] <= after[1], (before, event, after)
END
}

@test "IPv6 and mapped addresses are as in text" {
    json_of log "$speaker" port:7200 ipv6 unread
    json "$log" 'assert closes[0]["local"] == "[::1]:7200", closes
assert closes[0]["peer"].startswith("[::1]:"), closes'
    json_of log "$speaker" port:7200 mapped unread
    json "$log" 'assert closes[0]["local"] == "127.0.0.1:7200", closes
assert closes[0]["peer"].startswith("127.0.0.1:"), closes'
}

@test "unacked and unsent are what the program itself finds" {
    json_of log "$speaker" answered:1000000
    json "$log" "assert closes[0]['unacked'] == closes[0]['unsent'] == $(cat "$BATS_TEST_TMPDIR/said"), closes"
}

# In a JSON string a byte that is no character becomes the character of that number.
@test "a name with quotes, backslash, newline, escape, an accent and half a character is JSON" {
    name=$'o"d\\\nd\e\xc3\xa9\xff\xc3'
    cp "$speaker" "$BATS_TEST_TMPDIR/$name"
    json_of log "$BATS_TEST_TMPDIR/$name" unread
    json "$log" '
assert all(e["comm"] == "o\"d\\\nd\x1b\u00e9\u00ff\u00c3" for e in events), events
assert starts[0]["executable"].endswith("/o\"d\\\nd\x1b\u00e9\u00ff\u00c3"), starts'
    same 0 "$(tr -d '\n' <"$log" | grep -caP '[\x00-\x1f\x7f]')"
}

@test "a name that ps cuts inside a character is JSON" {
    name=aaaaaaaaaaaaaa$'\xc3\xa9'
    cp "$speaker" "$BATS_TEST_TMPDIR/$name"
    json_of log "$BATS_TEST_TMPDIR/$name" unread
    json "$log" 'assert closes[0]["comm"] == "aaaaaaaaaaaaaa\u00c3", closes'
}

@test "the longest name of an executable makes no line longer than 2048 bytes" {
    dir=$BATS_TEST_TMPDIR
    part=$(printf '%0240d' 0)
    # Relative, and step by step: no path given to the kernel may be longer than 4096 bytes.
    cd "$dir"
    while ((${#PWD} < 3700)); do
        mkdir "$part"
        cd "$part"
    done
    cp "$speaker" speaker
    json_of log ./speaker unread
    json "$log" '
assert len(closes) == 1 and len(starts) == 1
assert len(starts[0]["executable"]) > 1000 and len(starts[0]["build_id"]) == 40, starts
assert starts[0]["mode"] == "log", starts'
}

@test "the longest name made of what must be escaped makes no line longer than 2048 bytes" {
    part=$(printf '\001%.0s' {1..200})
    mkdir -p "$BATS_TEST_TMPDIR/$part/$part/$part"
    cp "$speaker" "$BATS_TEST_TMPDIR/$part/$part/$part/$part"
    json_of log "$BATS_TEST_TMPDIR/$part/$part/$part/$part" unread
    json "$log" 'assert len(closes) == 1 and starts[0]["mode"] == "log", starts'
}

@test "a name made of what must be escaped makes no line of lingering longer than 2048 bytes" {
    name=$(printf '\001%.0s' {1..200})
    cp "$speaker" "$BATS_TEST_TMPDIR/$name"
    SAFECLOSE_EXIT_WAIT=0 json_of linger "$BATS_TEST_TMPDIR/$name" unread
    json "$log" 'assert len(closes) == 1 and sum(e["event"] == "linger-end" for e in events) == 1, events'
}

@test "warn explains on stderr what a JSON log holds, one-liner first" {
    same "$head close(FD) $v4 RST [unread-data] 5 bytes unread, 0 unacked
safeclose:   what: the program read nothing of what this client sent" \
        "$(SAFECLOSE_LOG=$log text_of warn "$speaker" unread:2 | head -n 2)"
    same 1 "$(SAFECLOSE_LOG=$log text_of warn "$speaker" unread:2 | grep -c 'RST \[')"
    json "$log" 'assert len(closes) == 4'
}
