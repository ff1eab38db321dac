#!/usr/bin/env bats
# The library in programs that run under somebody else's control: behind the seccomp filters that systemd
# and Docker put around them, and as services of inetd.

load ../support/helper
load server_early

python=/usr/bin/python3
early=("$python" -I "$BATS_TEST_DIRNAME/server_python.py" "$port")
told=$BATS_TEST_TMPDIR/told

setup()
{
    inetd=''
}

teardown()
{
    [[ -z $inetd ]] || kill "$inetd"
}

# A client that reads the answer only when it is given a line, and says how much came and how that ended.
client='
import errno, socket, sys
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
connection.connect(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"POST / HTTP/1.0\r\nContent-Length: 20000\r\n\r\n" + b"b" * 20000)
sys.stdin.readline()
answer, end = b"", "EOF"
try:
    while part := connection.recv(65536):
        answer += part
except OSError as error:
    end = errno.errorcode[error.errno]
print(len(answer.partition(b"\r\n\r\n")[2]), end)'

has_told()
{
    grep -q "$1" "$told"
}

# behind FILTER MODE: a server that closes early, behind FILTER; its stderr is a pipe, whose other end
# writes to $told. The library comes in behind the filter, as it does in a unit or a container.
behind()
{
    local filter=$1 mode=$2 reader read_when
    : >"$told"
    mkfifo "$BATS_TEST_TMPDIR/read_when"
    # shellcheck disable=SC2016 # for that shell
    TOLD=$told begin bash -c 'exec 2> >(exec cat >"$TOLD"); exec "$@"' _ \
        "$programs/deploy_filter" "$filter" \
        env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$mode" "${early[@]}"
    hear listening
    "$python" -I -c "$client" "$port" <"$BATS_TEST_TMPDIR/read_when" >"$BATS_TEST_TMPDIR/seen" \
        3>&- {to_program}>&- {from_program}<&- &
    reader=$!
    exec {read_when}>"$BATS_TEST_TMPDIR/read_when"
    hear asked
    go_on
    wait_until has_told 'close('
    echo >&"$read_when"
    exec {read_when}>&-
    wait "$reader"
    finish
    seen=$(<"$BATS_TEST_TMPDIR/seen")
    ((status == 0)) || fail "the server ended with $status: $(<"$told")"
    wait_until has_told ' TCP closes: '
}

# lingers_behind FILTER: as it is the client is reset; with linger it has it all, and the end of the
# lingering is written to the pipe.
lingers_behind()
{
    behind "$1" warn
    matches ' ECONNRESET$' "$seen"
    rm "$BATS_TEST_TMPDIR/read_when"
    behind "$1" linger
    same "$reply EOF" "$seen"
    has_told 'after lingering for [0-9]* ms, [0-9.]* \(bytes\|kB\) discarded' || fail "$(<"$told")"
}

# serve_by_inetd FIELD...: inetd's line of a service that answers early and ends, one connection of a client.
serve_by_inetd()
{
    cat >"$BATS_TEST_TMPDIR/in.early" <<'EOT'
#!/bin/sh
read -r request
printf 'HTTP/1.1 413 Content Too Large\r\n\r\n'
EOT
    chmod +x "$BATS_TEST_TMPDIR/in.early"
    printf '%s stream tcp nowait root %s\n' "$port" "$* $BATS_TEST_TMPDIR/in.early" \
        >"$BATS_TEST_TMPDIR/inetd.conf"
    "${with[@]}" inetd -d "$BATS_TEST_TMPDIR/inetd.conf" >"$BATS_TEST_TMPDIR/inetd" 2>&1 3>&- &
    inetd=$!
    wait_until listens "$port"
    aborted=$(counter TCPAbortOnClose)
    seen=$("$python" -I "$BATS_TEST_DIRNAME/server_python_client.py" "$port" POST / 20000)
    aborted=$(($(counter TCPAbortOnClose) - aborted))
    wait_until has_ended in.early
}

@test "systemd's SystemCallFilter=@system-service: linger works, and kills nobody" {
    lingers_behind systemd
}

@test "systemd's SystemCallFilter=@system-service: a program may install a filter of its own" {
    run -0 "$programs/deploy_filter" systemd env LD_PRELOAD="$LIBSAFECLOSE" \
        "$programs/deploy_filter" systemd echo 'still here'
    same 'still here' "$output"
}

@test "Docker's default profile: linger works, and its ends are written to a pipe" {
    lingers_behind docker
}

@test "inetd: env in its line brings the library in, and the service's reset is told in the file" {
    with=(env)
    serve_by_inetd /usr/bin/env env "LD_PRELOAD=$LIBSAFECLOSE" "SAFECLOSE_LOG=$log"
    same 1 "$aborted"
    matches '^413 0 ' "$seen"
    json "$log" '
assert [(e["comm"], e["via"], e["cause"], e["note"]) for e in closes] == [
    ("in.early", "_exit", "unread-data", "owner-unknown")], closes'
}

@test "inetd: without a file to log to, the client reads nothing but the service's words" {
    with=(env)
    serve_by_inetd /usr/bin/env env "LD_PRELOAD=$LIBSAFECLOSE"
    same 1 "$aborted"
    matches '^413 0 ' "$seen"
}

@test "inetd: what is set for inetd itself does not reach its services" {
    with=(env "LD_PRELOAD=$LIBSAFECLOSE" "SAFECLOSE_LOG=$log")
    serve_by_inetd "$BATS_TEST_TMPDIR/in.early"
    same 1 "$aborted"
    json "$log" 'assert {e["comm"] for e in events} == {"inetd"}, events'
}
