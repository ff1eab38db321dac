#!/usr/bin/env bats
# SAFECLOSE_INHERITED: services of an inetd that the library is not in, which have the connection as their numbers 0
# and 1 and close it by ending. Here socat is the inetd. The truth is the kernel's counter and what the client read.

load ../support/helper
load server_early

setup()
{
    socat=''
    program <<'EOF'
while os.read(0, 1) != b"\n":
    pass
if len(sys.argv) > 1:
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
os.write(1, b"HTTP/1.1 413 Content Too Large\r\n\r\n")
EOF
}

teardown()
{
    [[ -z $socat ]] || kill "$socat"
}

# program: a service in Python from standard input; its file is in $program.
program()
{
    program=$BATS_TEST_TMPDIR/program
    { printf '#!/usr/bin/python3\nimport os, sys, time\n' && cat; } >"$program"
    chmod +x "$program"
}

# asks_service SETTING COMMAND...: one client of the service, whose request has come whole before the service is
# started. Fills $status, $aborted, $end.
asks_service()
{
    local from_client word aborted_before
    rm -f "$log"
    {
        printf '#!/bin/sh\nexec env LD_PRELOAD=%q SAFECLOSE_MODE=%q SAFECLOSE_INHERITED=%q SAFECLOSE_LOG=%q' \
            "$LIBSAFECLOSE" "$mode" "$1" "$log"
        printf ' %q' "${@:2}"
    } >"$BATS_TEST_TMPDIR/service"
    chmod +x "$BATS_TEST_TMPDIR/service"
    socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" "EXEC:$BATS_TEST_TMPDIR/service,nofork" \
        </dev/null >/dev/null 2>"$stderr" 3>&- &
    socat=$!
    wait_until listens "$port"
    aborted_before=$(counter TCPAbortOnClose)
    kill -STOP "$socat"
    exec {from_client}< <(exec "$programs/server_client" "$port" 20000 3>&-)
    read -r word client <&"$from_client"
    same sent "$word"
    kill -CONT "$socat"
    read -r _ status <&"$from_client"
    read -r _ answer <&"$from_client"
    read -r _ end <&"$from_client"
    exec {from_client}<&-
    wait "$socat" || true
    socat=''
    aborted=$(($(counter TCPAbortOnClose) - aborted_before))
}

# told ACTION OUTCOME NOTE: of the process's last close.
told()
{
    same "$*" "$(json "$log" 'print(*(closes[-1][key] for key in ("action", "outcome", "note")))')"
}

@test "unknown, the default: a reset in every mode, and told as one that can't be known" {
    local mode
    for mode in log drain linger; do
        asks_service unknown "$program"
        same '1 ECONNRESET' "$aborted $end"
    done
    told passed unknown owner-unknown
}

@test "sole: log tells the reset" {
    local mode=log
    asks_service sole "$program"
    same '1 ECONNRESET' "$aborted $end"
    told none rst ''
}

@test "sole: drained, and lingers" {
    local mode
    for mode in drain linger; do
        asks_service sole "$program"
        same '0 EOF' "$aborted $end"
    done
}

@test "sole: two numbers of one connection are one connection" {
    local mode=drain
    program <<'EOF'
os.close(0)
time.sleep(0.05)
while os.read(1, 1) != b"\n":
    pass
os.write(1, b"HTTP/1.1 200 OK\r\n\r\n")
EOF
    asks_service sole "$program"
    same '0 EOF HTTP/1.1 200 OK' "$aborted $end $status"
}

# Its child reads on when it has ended.
@test "sole: a child of the service that still has it misses nothing" {
    local mode
    for mode in drain linger; do
        program <<'EOF'
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.01)
    size = 0
    while size < 20000:
        size += len(os.read(0, 65536))
    os.write(1, b"HTTP/1.1 200 all of it\r\n\r\n")
    os._exit(0)
os.close(0)
os.close(1)
EOF
        asks_service sole "$program"
        same '0 EOF HTTP/1.1 200 all of it' "$aborted $end $status"
    done
}

# Nobody has said of what it executes that nobody else holds the connection.
@test "sole: what the service executes does not get the word, and is left alone" {
    local mode=drain
    local answer='os.write(1, b"HTTP/1.1 200 %s\r\n\r\n" % os.environb.get(b"SAFECLOSE_INHERITED", b"none"))'
    asks_service sole "$program" "import os; os.read(0, 65536); $answer"
    same '0 EOF HTTP/1.1 200 none' "$aborted $end $status"
    asks_service sole "$program" "import os; $answer"
    same '1 ECONNRESET' "$aborted $end"
    told passed unknown owner-unknown
}

# The kernel says what became of a close, but not of an exit.
@test "unknown: of a service that closes, the reset is told as one, and what helps" {
    local mode=warn
    program <<'EOF'
while os.read(0, 1) != b"\n":
    pass
os.write(1, b"HTTP/1.1 413 Content Too Large\r\n\r\n")
os.close(0)
os.close(1)
EOF
    asks_service unknown "$program"
    same '1 ECONNRESET' "$aborted $end"
    told none rst ''
    matches 'fix: .*closed its own copy: SAFECLOSE_INHERITED=sole SAFECLOSE_MODE=linger' "$(<"$stderr")"
}

@test "sole: an exec that fails changes nothing of a connection that is close-on-exec" {
    local mode
    for mode in drain linger; do
        program <<'EOF'
while os.read(0, 1) != b"\n":
    pass
os.set_inheritable(0, False)
os.set_inheritable(1, False)
try:
    os.execv("/", ["nothing"])
except OSError:
    os.write(1, b"HTTP/1.1 200 no exec\r\n\r\n")
EOF
        asks_service sole "$program"
        same '0 EOF HTTP/1.1 200 no exec' "$aborted $end $status"
    done
}

# as_nobody MODE: nobody starts the service, which is a copy of Python of this mode, with settings of nobody's choice.
# The library comes in by /etc/ld.so.preload, as the loader ignores LD_PRELOAD for a setuid program.
as_nobody()
{
    cat >"$BATS_TEST_TMPDIR/as_nobody" <<'EOF'
#!/bin/sh
unset LD_PRELOAD
mount -t overlay -o "lowerdir=$1:/etc" none /etc && mount -t tmpfs -o mode=755 none /mnt &&
    cp "$2" /mnt/lib.so && cp "$3" /mnt/program && install -m "$4" "$(readlink -f /usr/bin/python3)" /mnt/python &&
    exec setpriv --reuid=65534 --regid=65534 --clear-groups \
        env SAFECLOSE_INHERITED=sole SAFECLOSE_LOG="$5" /mnt/python -I /mnt/program
EOF
    chmod +x "$BATS_TEST_TMPDIR/as_nobody"
    asks_service unknown unshare -m "$BATS_TEST_TMPDIR/as_nobody" "$BATS_TEST_TMPDIR/etc" "$LIBSAFECLOSE" \
        "$program" "$1" "$forbidden"
}

@test "sole: a setuid program doesn't take its caller's word, nor his log file" {
    local mode=drain forbidden=$BATS_TEST_TMPDIR/etc/log
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || skip 'a setuid program needs root'
    mkdir "$BATS_TEST_TMPDIR/etc"
    echo /mnt/lib.so >"$BATS_TEST_TMPDIR/etc/ld.so.preload"
    program <<'EOF'
while os.read(0, 1) != b"\n":
    pass
os.write(1, b"HTTP/1.1 200 as %d, %s\r\n\r\n" % (os.geteuid(), os.environb.get(b"SAFECLOSE_INHERITED", b"none")))
EOF
    as_nobody 755
    same '0 EOF HTTP/1.1 200 as 65534, none' "$aborted $end $status"
    as_nobody 4755
    same '1 ECONNRESET HTTP/1.1 200 as 0, none' "$aborted $end $status"
    [[ ! -e $forbidden ]] || fail "it wrote a log where nobody can't: $(<"$forbidden")"
}
