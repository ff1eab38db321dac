# shellcheck shell=bash
# What the files about servers share: a server answers a request whose body it has not read, and
# closes. Load it behind helper. Nothing that is judged here comes from the server or the library:
# the unread bytes are those of /proc/net/tcp, the reset is the kernel's counter, the answer is what
# the client read (server_client.c).
#
# Each server takes a port to serve one connection on, and says "listening". At the end of the
# request's head it says "asked", waits for a line, answers 413 or the like with 1,000,000 bytes, and
# closes; it ends at the end of its input.

port=8080
reply=1000000
log=$BATS_TEST_TMPDIR/log
stderr=$BATS_TEST_TMPDIR/stderr

# unread_at PORT: the bytes in the receive queues of all connections that PORT has accepted.
unread_at()
{
    local own other state queues sum=0 wanted
    printf -v wanted %04X "$1"
    # 01 is ESTABLISHED; a pair of hexadecimal numbers is what is queued for sending:for reading.
    while read -r _ own other state queues _; do
        [[ ${own##*:} == "$wanted" && $state == 01 ]] || continue
        sum=$((sum + 16#${queues#*:}))
    done < <(cat /proc/net/tcp /proc/net/tcp6)
    echo "$sum"
}

# answered_early MODE BYTES COMMAND...: begins the server, has the client send a body of BYTES, lets
# the server go on, and waits for both to end. MODE "none" is the server alone. Afterwards:
#   $unread                       what the server left in its receive queue
#   $client                       the client's address
#   $answer_status $answer $end   what it read, and how that ended
#   $aborted $resets              closes the kernel aborted for unread data; resets of any kind
answered_early()
{
    local mode=$1 body=$2 pid word from_client start=(begin)
    local aborted_before resets_before
    shift 2

    rm -f "$log"
    [[ $mode == none ]] || start=(begin preloaded "$mode")
    SAFECLOSE_LOG=$log "${start[@]}" "$@" 2>"$stderr"
    hear listening
    resets_before=$(resets_from "$port")
    aborted_before=$(counter TCPAbortOnClose)
    # The ends of the server's pipes are not the client's: it would keep the server from its end.
    exec {from_client}< <(exec "$programs/server_client" "$port" "$body" \
        3>&- {to_program}>&- {from_program}<&-)
    pid=$!
    read -r word client <&"$from_client"
    same sent "$word"
    hear asked
    unread=$(unread_at "$port")
    go_on
    read -r word answer_status <&"$from_client"
    read -r word answer <&"$from_client"
    read -r word end <&"$from_client"
    exec {from_client}<&-
    wait "$pid" || fail "the client failed; the server: $(<"$stderr")"
    aborted=$(($(counter TCPAbortOnClose) - aborted_before))
    resets=$(($(resets_from "$port") - resets_before))
    finish
    ((status == 0)) || fail "the server ended with $status: $(<"$stderr")"
    ((unread > 0)) || fail "the server has read everything"
}

# is_reset: the client got a reset, of the server's making, and not the whole answer.
is_reset()
{
    same ECONNRESET "$end"
    same 1 "$aborted"
    same 1 "$resets"
    matches '^[0-9]+ right$' "$answer"
    ((${answer% *} < reply)) || fail "the whole answer arrived: no reset can have come before it"
}

# is_whole: the client got the whole answer, and no reset was sent.
is_whole()
{
    same EOF "$end"
    same 0 "$aborted"
    same 0 "$resets"
    same "$reply right" "$answer"
}

# What is drained of a server with threads the lot drains: a test of one says threads=yes.
threads=''

# tells VIA ,STATE ACTION OUTCOME: the log has one close event, of this connection, that says so.
tells()
{
    via=$1 state=${2#,} action=$3 outcome=$4 unread=$unread client=$client port=$port json "$log" '
import os
env = os.environ
assert len(closes) == 1, closes
e = closes[0]
unread = int(env["unread"])
expected = {
    "via": env["via"], "cause": "unread-data", "unread": unread, "state": env["state"],
    "peer": env["client"], "local": "127.0.0.1:" + env["port"], "proto": "tcp",
    "action": env["action"], "outcome": env["outcome"],
    "confirmed": True, "note": "",
    "discarded": unread if env["action"] == "drained" else 0,
}
wrong = {key: e[key] for key in expected if e[key] != expected[key]}
assert not wrong, "wrong: %s, expected: %s" % (wrong, {key: expected[key] for key in wrong})
ends = [(end["ended_by"], end["outcome"], end["discarded"], end["cookie"])
        for end in events if end["event"] == "linger-end"]
expected = [("drained", "fin", unread, e["cookie"])] if e["action"] == "draining" else []
assert ends == expected, ends
assert len(summaries) == 1 and summaries[0]["causes"]["unread-data"] == 1, summaries
'
}

# unchanged_and_told VIA BYTES COMMAND...: the client of the server alone is reset, and so it is in the
# modes that promise to change nothing; log tells why. VIA is the door, and behind a comma the state
# of the connection unless it is ESTABLISHED: "close,FIN_WAIT1".
unchanged_and_told()
{
    local via=${1%,*} state=${1#"${1%,*}"} mode
    shift
    answered_early none "$@"
    is_reset
    for mode in off warn log; do
        answered_early "$mode" "$@"
        is_reset
        case $mode in
        off) [[ ! -e $log ]] || fail "mode off told: $(<"$log")" ;;
        warn) grep -q "^safeclose: .*: RST \[unread-data\]" "$stderr" || fail "stderr: $(<"$stderr")" ;;
        esac
        [[ $mode == warn ]] || ! grep safeclose "$stderr" || fail "mode $mode wrote to stderr"
    done
    tells "$via" "${state:-,ESTABLISHED}" none rst
}

# prevented VIA BYTES COMMAND...: drain, and the client gets the whole answer.
prevented()
{
    local via=${1%,*} state=${1#"${1%,*}"}
    shift
    answered_early drain "$@"
    is_whole
    tells_drained "$via" "$state"
}

# tells_drained VIA [,STATE]: a close behind a half-close sends nothing any more, as the FIN is sent.
tells_drained()
{
    if [[ $threads ]]; then
        tells "$1" "${2:-,ESTABLISHED}" draining none
    elif [[ -n $2 ]]; then
        tells "$1" "$2" drained none
    else
        tells "$1" ,ESTABLISHED drained fin
    fi
}

# wait_until COMMAND...: repeats it until it succeeds.
wait_until()
{
    local deadline=$((SECONDS + 60))
    until "$@"; do
        ((SECONDS < deadline)) || fail "not within a minute: $*"
        sleep 0.02
    done
}

# has_ended NAME: nobody of that name is left in this network namespace. Who forks for a connection
# leaves children that still have a line to write when their client has already gone.
has_ended()
{
    ! pgrep --ns $$ --nslist net -x "$1" >/dev/null
}
