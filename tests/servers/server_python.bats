#!/usr/bin/env bats
# A server that nobody here wrote: `python3 -m http.server`, and a handler for its library. It answers
# without reading the body of a request, half-closes, and closes: the client, which sent 20 kB in one
# write, is reset. A short answer and its FIN get there first, and the reset comes behind; of a long
# one most is lost. The witnesses are what the client read (server_python_client.py, server_client.c)
# and the kernel's counters.

load ../support/helper
load server_early

python=/usr/bin/python3
early=("$python" -I "$BATS_TEST_DIRNAME/server_python.py" "$port")

# serves MODE METHOD PATH: has the stock server answer one client in this mode ("none": without the
# library), with the library's words on stderr. Afterwards $code $body $end $pending are what the
# client saw, $aborted and $resets what the kernel counted meanwhile.
serves()
{
    local with=(env -C "$BATS_TEST_TMPDIR" --default-signal=INT) seen
    [[ $1 == none ]] || with+=(LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1")
    # A background job of a shell ignores the interrupt that is to end this server.
    "${with[@]}" "$python" -I -m http.server --bind 127.0.0.1 "$port" \
        </dev/null >/dev/null 2>"$stderr" 3>&- &
    server=$!
    wait_until listens "$port"
    aborted=$(counter TCPAbortOnClose) resets=$(resets_from "$port")
    seen=$("$python" -I "$BATS_TEST_DIRNAME/server_python_client.py" "$port" "$2" "$3" 20000)
    aborted=$(($(counter TCPAbortOnClose) - aborted)) resets=$(($(resets_from "$port") - resets))
    kill -INT "$server"
    wait "$server" || fail "the server ended with $?: $(<"$stderr")"
    server=''
    read -r code body end pending <<<"$seen"
}

teardown()
{
    [[ -z ${server-} ]] || kill -KILL "$server"
}

# serves_drained METHOD PATH: the same under drain. This server has two threads.
serves_drained()
{
    serves drain "$@"
    matches 'draining \[unread-data\] ([0-9.]+ (bytes|kB)); would have been RST' "$(<"$stderr")"
    matches "FIN \[unread-data\] after draining for [0-9]+ ms, ${BASH_REMATCH[1]} discarded" "$(<"$stderr")"
}

# A POST is refused with 501 and a few hundred bytes.
refused_and_reset()
{
    serves "$1" POST /
    same "501 EOF EPIPE, 1 of 1 resets for unread data" \
        "$code $end $pending, $aborted of $resets resets for unread data"
    ((body > 100)) || fail "an answer of $body bytes"
}

@test "python3 -m http.server, POST of 20 kB: the client is reset" {
    refused_and_reset none
}

@test "python3 -m http.server, POST of 20 kB: off changes nothing and is silent" {
    refused_and_reset off
    [[ $(<"$stderr") != *safeclose* ]] || fail "stderr: $(<"$stderr")"
}

@test "python3 -m http.server, POST of 20 kB: warn changes nothing and explains the reset" {
    local head='safeclose: [0-9:.]*Z python3\[[0-9]+\]: ' explained
    refused_and_reset warn
    explained=$(<"$stderr")
    matches "${head}watching closes; mode warn changes nothing" "$explained"
    matches "${head}close\([0-9]+\) 127\.0\.0\.1:$port->127\.0\.0\.1:[0-9]+: RST \[unread-data\] [0-9.]+ (bytes|kB) unread, 0 unacked" \
        "$explained"
    matches 'what: most likely a request answered before it was read to its end' "$explained"
    matches 'peer: "Connection reset by peer"' "$explained"
    matches 'fix: .*SAFECLOSE_MODE=linger' "$explained"
    matches "${head}[0-9]+ TCP closes?: 1 RST, 0 unknown" "$explained"
}

@test "python3 -m http.server, POST of 20 kB: no reset under drain, and the same answer" {
    local bare
    refused_and_reset none
    bare=$body
    serves_drained POST /
    same "501 $bare EOF 0, 0 resets" "$code $body $end $pending, $resets resets"
}

long=1000000

@test "python3 -m http.server, 1 MB for a request with a body: reset, and most of it lost" {
    local mode
    head -c "$long" /dev/zero >"$BATS_TEST_TMPDIR/long"
    for mode in none warn; do
        serves "$mode" GET /long
        same "200 ECONNRESET, 1 of 1" "$code $end, $aborted of $resets"
        ((body < long / 2)) || fail "$body bytes arrived"
    done
    matches 'LOSS: up to [0-9]+ bytes \([0-9.]+ [kM]B\) of this program' "$(<"$stderr")"
}

@test "python3 -m http.server, 1 MB for a request with a body: all of it arrives under drain" {
    head -c "$long" /dev/zero >"$BATS_TEST_TMPDIR/long"
    serves_drained GET /long
    same "200 $long EOF 0, 0 resets" "$code $body $end $pending, $resets resets"
}

@test "http.server refusing early, 20 kB unread: a reset that log explains and changes nothing of" {
    unchanged_and_told close,FIN_WAIT1 20000 "${early[@]}"
}

@test "http.server refusing early, 20 kB unread: the whole answer arrives under drain" {
    prevented close,FIN_WAIT1 20000 "${early[@]}"
}
