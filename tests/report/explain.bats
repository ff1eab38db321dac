#!/usr/bin/env bats
# What a reset is explained by, shown once by reality: each program (explain.py) closes in one of the ways that
# people write, its peer tells what it read, and the kernel counts the resets; beside that stands what
# the library said of it. And a peer's bytes: where they are shown, and that they can't forge anything.

# Takes long.

load ../support/helper

python=/usr/bin/python3
log=$BATS_TEST_TMPDIR/log
stderr=$BATS_TEST_TMPDIR/stderr

setup_file()
{
    export EXPLAIN_CERTIFICATE=$BATS_FILE_TMPDIR/localhost.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -batch \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost -out "$EXPLAIN_CERTIFICATE" \
        -keyout "$BATS_FILE_TMPDIR/key" 2>/dev/null
    cat "$BATS_FILE_TMPDIR/key" >>"$EXPLAIN_CERTIFICATE"
}

setup()
{
    export SAFECLOSE_STACK=0 # return addresses have their own tests, in stack.bats
}

hex()
{
    printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
}

# explained PROGRAM [ARGUMENT...]: plays it in mode warn. Afterwards $seen is what was read, $resets how
# many resets the kernel sent, $log the events and $stderr the explanation.
explained()
{
    local before
    rm -f "$log"
    before=$(counter OutRsts)
    # Through a pipe, which ends with the peer: that may outlive the program.
    seen=$(SAFECLOSE_LOG=$log preloaded warn "$python" -I "$BATS_TEST_DIRNAME/explain.py" "$@" 2>"$stderr") ||
        fail "explain.py $*: $(<"$stderr")"
    resets=$(($(counter OutRsts) - before))
}

# sentence LABEL: what stands behind it in the explanation.
sentence()
{
    sed -n "s/^safeclose:   $1: //p" "$stderr"
}

# labels: those of the explanation, in their order.
labels()
{
    sed -nE 's/^safeclose:   ([A-Za-z]+): .*/\1/p' "$stderr" | xargs
}

# is_told CONTENT WHAT FIX: the one reset of a program is explained by these, patterns the last two.
is_told()
{
    content=$1 json "$log" '
import os
resets = [e for e in closes if e["outcome"] == "rst"]
assert [e["content"] for e in resets] == [os.environ["content"]], events'
    matches "$2" "$(sentence what)"
    matches "$3" "$(sentence fix)"
}

# ---- What it means ---------------------------------------------------------------------------

@test "a request that came on a kept-alive connection while that was closed" {
    explained kept-alive
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told http-request 'another HTTP request on a kept-alive' '^send Connection: close'
}

@test "an upload that was answered before it was read" {
    explained early-answer
    same 'peer 53 ECONNRESET' "$seen" # the head of the answer, which was there before the reset
    same 1 "$resets"
    is_told http-body 'the body of an HTTP request' '^read the body to its end'
}

@test "an HTTP request of which nothing was read" {
    explained nothing-read "$(hex $'GET / HTTP/1.1\r\n\r\n')"
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told http-request 'an HTTP request, and the program read nothing of it' '^read the request before'
}

@test "any client of which nothing was read" {
    explained nothing-read 0001020304
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told binary '^the program read nothing' '^shutdown\(fd, SHUT_WR\), read to EOF'
}

@test "a TLS client of which nothing was read" {
    explained nothing-read 16030102000100 # the beginning of a ClientHello
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told tls-handshake 'the beginning of a TLS handshake' 'should speak TLS'
}

@test "a close_notify that was not read, of TLS 1.2 and 1.3" {
    for version in TLSv1_2 TLSv1_3; do
        explained goodbye $version
        same 'peer 0 ECONNRESET' "$seen"
        same 1 "$resets"
        is_told tls-alert 'close_notify' '^before close, call SSL_shutdown'
    done
}

@test "session tickets of TLS 1.3 that a client which only sends did not read, and the loss in front" {
    explained tickets
    # OpenSSL may take the reset for an end without close_notify, which Python's ssl takes for an EOF.
    matches '^peer [0-9]+ (ECONNRESET|EOF)$' "$seen"
    read -r _ arrived _ <<<"$seen"
    ((arrived < 300000)) || fail "nothing was lost: $seen"
    same 1 "$resets"
    is_told tls-data 'session tickets' '^SSL_shutdown, then SSL_read'
    # All but what fits into the small queue of the server.
    lost=$(sed -nE 's/^safeclose:   LOSS: up to ([0-9]+) bytes .*/\1/p' "$stderr")
    ((lost > 200000)) || fail "$lost lost, $arrived arrived"
    same 'LOSS what fix why peer' "$(labels)"
}

@test "where nothing is lost, nothing is said of a loss" {
    explained kept-alive
    same 'what fix why peer' "$(labels)"
}

@test "a reset that the program asked for" {
    explained zero-linger
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told '' 'to avoid TIME_WAIT' '^do not set SO_LINGER'
}

@test "clients that waited to be accepted at a restart" {
    explained restart 3
    same 'peer 0 ECONNRESET peer 0 ECONNRESET peer 0 ECONNRESET' "$(xargs <<<"$seen")"
    same 3 "$resets"
    is_told '' 'most often a restart' '^accept the waiting clients'
}

@test "a process that ended without closing" {
    for how in exit _exit; do
        explained ends $how
        same 'peer 0 ECONNRESET' "$seen"
        same 1 "$resets"
        is_told text 'the process ended' '^close connections before the process ends'
        how=$how json "$log" '
import os
assert closes[0]["via"] == os.environ["how"], closes'
    done
}

@test "a client that stopped reading" {
    explained stops-reading
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told binary 'the program opened this connection' '^read the answer to its end'
}

@test "a program that has an io_uring is recommended no mode" {
    explained nothing-read "$(hex hello)"
    matches 'then close; .*SAFECLOSE_MODE=linger$' "$(sentence fix)"
    explained ring
    [[ $seen != 'no ring'* ]] || skip 'no io_uring to be had'
    same 'peer 0 ECONNRESET' "$seen"
    matches 'then close$' "$(sentence fix)"
}

@test "urgent data" {
    explained urgent
    same 'peer 0 ECONNRESET' "$seen"
    same 1 "$resets"
    is_told urgent 'MSG_OOB' '^shutdown'
}

# ---- The preview -----------------------------------------------------------------------------

hostile=$BATS_TEST_DIRNAME/explain_hostile.py

# previewed LENGTH HEX: the preview of at most LENGTH bytes, in JSON, is these bytes, and no line of either
# log was forged by them: explain_hostile.py reads both.
previewed()
{
    SAFECLOSE_PREVIEW=$1 explained nothing-read "$2"
    same 'peer 0 ECONNRESET' "$seen"
    "$python" -I "$hostile" "$1" "$2" "$log" "$stderr" || fail "JSON: $(<"$log")" "text: $(<"$stderr")"
}

@test "nothing of what is unread is shown unless asked for" {
    explained nothing-read "$(hex 'a secret')"
    json "$log" 'assert [e["preview"] for e in closes if e["outcome"] == "rst"] == [""], closes'
    same '' "$(grep -aF secret "$log" "$stderr")"
}

@test "the preview is as long as asked for, and what is unread at most" {
    for size in 1 8 9; do
        previewed $size 6120736563726574 # "a secret"
    done
    previewed 256 "$(printf '61%.0s' {1..300})"
}

@test "bytes that would forge a line, a value or a terminal's sequence" {
    # A line break and a whole event behind it; quotes and backslashes; ESC and CSI, also as C1 in UTF-8
    # and as a byte; NEL, the line and paragraph separators, a byte order mark; DEL; NUL. And what is no
    # UTF-8: lone, cut, overlong, half of a pair, beyond the last.
    for bytes in \
        "$(hex $'"\n{"v":1,"event":"close","fd":666}\nsafeclose: 00:00:00.000Z x[1]: forged')" \
        "$(hex $'"\r\n","cause":"none","x":"\\')" \
        1b5b324a1b5d303b781b5c9b324ac29b324a 0a85c285e280a8e280a9efbbbf 7f00007f 5c5c225c 5c7530303061 \
        ff41c341c32841eda08041f490808041f888808041c08041e2822841f09f998241fffe e2 e280; do
        previewed 256 "$bytes"
    done
}

@test "every byte, at every place of a cut" {
    all=$(printf '%02x' {0..255})
    previewed 256 "$all"
    for size in 129 130 195; do
        previewed $size "$all"
    done
    for size in 1 2 4; do
        previewed $size e69db1f09f9982
    done
}

# longest PREVIEW HEX: a close deep in a program of a long path, with 32 frames.
longest()
{
    local part home
    printf -v part '%0200d' 0
    home=$BATS_TEST_TMPDIR/$part/$part
    mkdir -p "$home"
    [[ -e $home/py ]] || cp "$(readlink -f "$python")" "$home/py"
    rm -f "$log"
    SAFECLOSE_STACK=32 SAFECLOSE_PREVIEW=$1 SAFECLOSE_LOG=$log PYTHONHOME=/usr \
        preloaded log "$home/py" "$BATS_TEST_DIRNAME/explain.py" deep "$2" >"$BATS_TEST_TMPDIR/seen"
    same 'peer 0 ECONNRESET' "$(<"$BATS_TEST_TMPDIR/seen")"
}

# json fails where a line is longer than 2048 bytes.
@test "of a line that gets too long the last frames are cut, then the preview, and it says so" {
    worst=$(printf 'ff%.0s' {1..256})
    longest 0 "$worst"
    json "$log" '
reset = [e for e in closes if e["outcome"] == "rst"][0]
assert reset["truncated"] and 1 <= len(reset["stack"]) < 32, reset'
    longest 100 "$worst"
    json "$log" '
reset = [e for e in closes if e["outcome"] == "rst"][0]
assert reset["truncated"] and len(reset["stack"]) < 32, reset
assert reset["preview"] == 100 * "\xff", reset'
    longest 256 "$worst"
    json "$log" '
reset = [e for e in closes if e["outcome"] == "rst"][0]
assert reset["truncated"] and reset["stack"] == [], reset
assert 100 < len(reset["preview"]) < 256 and set(reset["preview"]) == {"\xff"}, reset'
}

@test "a line that holds all says that as well" {
    SAFECLOSE_STACK=2 SAFECLOSE_PREVIEW=8 explained nothing-read ffffffff
    json "$log" '
reset = [e for e in closes if e["outcome"] == "rst"][0]
assert not reset["truncated"] and len(reset["stack"]) == 2 and len(reset["preview"]) == 4, reset'
}

# ---- Who else reads it -----------------------------------------------------------------------

# not_disturbed PROGRAM [ARGUMENT...]: it sees the same with the library and without.
not_disturbed()
{
    local bare
    bare=$("$python" -I "$BATS_TEST_DIRNAME/explain.py" "$@" 3>&-)
    until_known "$log" explained_in_full "$@"
    same "$bare" "$seen"
}

explained_in_full()
{
    SAFECLOSE_EVENTS=all SAFECLOSE_PREVIEW=256 explained "$@"
}

# looked_at: content and preview of each close with unread data, as logged.
looked_at()
{
    json "$log" '
got = ["%s %s" % (e["content"] or "-", e["preview"] or "-") for e in closes if e["cause"] == "unread-data"]
print("; ".join(got))'
}

@test "a connection that a copy holds on is not peeked at: SO_PEEK_OFF stays where it was" {
    not_disturbed peek-offset copy
    matches $'hel\n3 lo, \nhello, world' "$seen"
    same '- -' "$(looked_at)"
}

@test "with SO_PEEK_OFF set there is no peeking at all" {
    not_disturbed peek-offset alone
    same '- -' "$(looked_at)"
}

@test "a program that peeks itself has read nothing" {
    not_disturbed peeks
    same 'text hello, world' "$(looked_at)"
    matches 'read nothing' "$(sentence what)"
}

@test "a reset of the peer's is still there for the other descriptor" {
    not_disturbed reset-before
    matches ECONNRESET "$seen"
}

@test "a child that shares the connection reads all of it, and nobody peeks at it before" {
    not_disturbed child
    matches '^hello hello, world' "$seen"
    same '- -' "$(looked_at)"
}

@test "urgent data that a copy is going to read is left to it" {
    not_disturbed urgent-copy
    matches '^!' "$seen"
}

# ---- The manual ------------------------------------------------------------------------------

@test "the manual has the contents and the meanings that the library has" {
    same '' "$("$python" -I "$BATS_TEST_DIRNAME/explain_manual.py" "$top/shim" "${BUILD:-$top/build}/man/libsafeclose.7")"
}
