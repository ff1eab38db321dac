#!/usr/bin/env bats
# Standard error as the log: whatever it is, a line never waits, never kills, and never reaches a
# file that is not the stderr that the program was started with. The witness is the other end of it.

load ../support/helper

setup()
{
    dir=$BATS_TEST_TMPDIR
    cd "$dir" || return
}

# A pipe, on number $pipe, whose reader does not read before it is told to. Two kinds: the kernel
# offers to write without waiting to pipe(2)'s pipes, and not to fifos.
open_pipe()
{
    rm -f go rest pipe
    mkfifo go
    local reader='read -r _ <go; exec cat >rest'
    if [[ $1 == fifo ]]; then
        mkfifo pipe
        sh -c "$reader" <pipe 3>&- &
        reader_pid=$!
        exec {pipe}>pipe
    else
        coproc READ { exec sh -c "$reader" 3>&-; }
        reader_pid=$!
        exec {pipe}>&"${READ[1]}"
        eval "exec ${READ[1]}>&-"
    fi
}

fill_pipe()
{
    dd if=/dev/zero of="/proc/$BASHPID/fd/$pipe" bs=4096 count=16 oflag=nonblock status=none
}

read_pipe()
{
    echo >go
}

holds()
{
    [[ -e $1 ]] && (($(stat -c %s "$1") >= $2))
}

# What was read from the pipe, once the program has ended: $rest, without what filled it.
close_pipe()
{
    exec {pipe}>&-
    wait "$reader_pid"
    rest=$(tr -d '\0' <rest)
}

# A pipe whose reader is gone.
open_broken_pipe()
{
    open_pipe "$1"
    kill "$reader_pid"
    wait "$reader_pid" || true
}

# ---- A pipe ----------------------------------------------------------------------------------

@test "a pipe gets the lines" {
    for kind in fifo anonymous; do
        open_pipe $kind
        begin preloaded log "$speaker" unread:3 say:hello 2>&"$pipe"
        finish
        read_pipe
        close_pipe
        same hello "$output"
        same 3 "$(grep -c 'RST \[' <<<"$rest")"
    done
}

@test "a full pipe that nobody reads does not hold up the program, and what is lost is counted" {
    for kind in fifo anonymous; do
        open_pipe $kind
        fill_pipe
        begin preloaded log "$speaker" unread:10 say:hello wait unread 2>&"$pipe"
        hear hello
        hear waiting
        read_pipe
        wait_until holds rest 65536
        go_on
        finish
        close_pipe
        same 0 "$status"
        same 'safeclose: TIME speaker[PID]: close(FD) 127.0.0.1:PORT->127.0.0.1:PORT: RST [unread-data] 5 bytes unread, 0 unacked
safeclose: TIME speaker[PID]: 12 TCP closes: 11 RST, 0 unknown, 11 log lines lost; see safeclose report' \
            "$(undated <<<"$rest")"
    done
}

@test "the program's own descriptor is left as it is: O_NONBLOCK is not set on it" {
    # shellcheck disable=SC2016 # for the shell that runs it
    flags='shell:grep flags /proc/$PPID/fdinfo/2'
    for kind in fifo anonymous; do
        open_pipe $kind
        fill_pipe
        begin preloaded log "$speaker" "$flags" unread "$flags" 2>&"$pipe"
        finish
        read_pipe
        close_pipe
        matches '^flags:[[:blank:]]*([0-7]+)
flags:[[:blank:]]*([0-7]+)$' "$output"
        same "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    done
}

@test "a pipe that nobody will read any more kills nobody" {
    for kind in fifo anonymous; do
        open_broken_pipe $kind
        begin preloaded warn "$speaker" unread:3 say:hello is-pending:13 exit:7 2>&"$pipe"
        finish
        same 7 "$status"
        same $'hello\nsignal 13 is not pending' "$output"
    done
}

@test "a broken pipe does not call the program's own handler" {
    for kind in fifo anonymous; do
        open_broken_pipe $kind
        begin preloaded warn "$speaker" handle:13 unread:3 say:hello 2>&"$pipe"
        finish
        same hello "$output"
    done
}

@test "a SIGPIPE that the program itself keeps pending stays pending" {
    for kind in fifo anonymous; do
        open_broken_pipe $kind
        begin preloaded log "$speaker" block:13 raise:13 unread:3 is-pending:13 2>&"$pipe"
        finish
        same 'signal 13 is pending' "$output"
    done
}

@test "a blocked SIGPIPE stays blocked and not pending" {
    for kind in fifo anonymous; do
        open_broken_pipe $kind
        begin preloaded log "$speaker" block:13 unread:3 is-pending:13 2>&"$pipe"
        finish
        same 'signal 13 is not pending' "$output"
    done
}

# ---- A file, a device, nothing ---------------------------------------------------------------

@test "a file gets the lines between those of the program" {
    preloaded log "$speaker" unread 'shell:echo between >&2' unread 2>err
    same 'RST between RST closes:' "$(grep -oE 'between|closes:|RST \[' err | tr -d '[' | xargs)"
}

@test "a file-size limit on stderr neither kills the program nor calls its handler" {
    begin preloaded warn "$speaker" handle:25 file-size:1 unread:3 say:hello is-pending:25 2>err
    finish
    same $'hello\nsignal 25 is not pending' "$output"
    begin preloaded warn "$speaker" file-size:1 unread:3 say:hello 2>err
    finish
    same 0 "$status"
    same hello "$output"
}

@test "after a torn line the next one begins on a line of its own" {
    # shellcheck disable=SC2016 # for the shell that runs it
    begin preloaded log "$speaker" unread 'shell:echo $PPID' wait unread:2 wait unread:2 2>err
    hear
    pid=$heard
    hear waiting
    prlimit --pid "$pid" --fsize=$(($(stat -c %s err) + 30)):
    go_on
    hear waiting
    prlimit --pid "$pid" --fsize=unlimited:
    go_on
    finish
    # One line of thirty bytes, and whole ones.
    same 1 "$(awk 'length == 30' err | wc -l)"
    same "safeclose: TIME speaker[PID]: watching closes; mode log changes nothing
safeclose: TIME speaker[PID]: close(FD) 127.0.0.1:PORT->127.0.0.1:PORT: RST [unread-data] 5 bytes unread, 0 unacked
safeclose: TIME speaker[PID]: 6 TCP closes: 5 RST, 0 unknown, 2 log lines lost; see safeclose report" \
        "$(awk 'length != 30' err | undated | uniq)"
}

@test "/dev/full and /dev/null disturb nothing" {
    for device in /dev/full /dev/null; do
        begin preloaded warn "$speaker" unread:3 say:hello exit:7 2>"$device"
        finish
        same 7 "$status"
        same hello "$output"
    done
}

@test "a stderr that is open for reading only disturbs nothing" {
    echo content >file
    begin preloaded warn "$speaker" unread:3 say:hello exit:7 2<file
    finish
    same '7 hello' "$status $output"
    same content "$(<file)"
}

@test "with stderr closed at the start the program runs as it does without the library" {
    for with in env 'preloaded warn'; do
        # shellcheck disable=SC2016,SC2086 # for the shell that runs it; words
        begin $with "$speaker" unread:3 end 'shell:ls -l /proc/$PPID/fd/2' exit:7 2>&-
        finish
        same 7 "$status"
        matches '^peer: 0 bytes, Connection reset by peer
.*/fd/2 -> socket:' "$output"
    done
}

@test "with stderr closed at the start a file that gets number 2 holds what the program wrote" {
    begin preloaded warn "$speaker" over:2=file unread:3 2>&-
    finish
    same 0 "$status"
    same 0 "$(stat -c %s file)"
}

# ---- Another file on number 2 ----------------------------------------------------------------

@test "when the program closes number 2 the log falls silent" {
    preloaded log "$speaker" unread close:2 unread:3 2>err
    same 'watching closes
RST [' "$(grep -oE 'watching closes|RST \[' err)"
    same 2 "$(grep -c . err)"
}

@test "a connection that gets number 2 carries not one byte of the log" {
    run -0 preloaded warn "$speaker" keep-as:2 unread:3 finish:2 end:3
    matches 'peer: 0 bytes, end of file' "$output"
}

@test "a file of the program's that is put on number 2 stays empty" {
    preloaded warn "$speaker" unread over:2=mine unread:3 2>err
    same 0 "$(stat -c %s mine)"
    same 1 "$(grep -c 'RST \[' err)"
}

@test "a file that is opened after number 2 was closed stays empty" {
    preloaded warn "$speaker" unread close:2 over:2=mine unread:3 2>err
    same 0 "$(stat -c %s mine)"
}

# A file system may give the inode of a file that is gone to the next one.
@test "a file that gets number 2 when stderr was a file that is deleted stays empty" {
    # Nobody but the program may hold the file.
    # shellcheck disable=SC2016 # for the shell that runs it
    sh -c 'exec env LD_PRELOAD="$0" SAFECLOSE_MODE=log "$@" 2>err 3>&-' "$LIBSAFECLOSE" \
        "$speaker" unread 'shell:rm err' reuse:2=mine unread:3
    same 0 "$(stat -c %s mine)"
}

@test "a JSON log's explanations do not go there either" {
    SAFECLOSE_LOG=log preloaded warn "$speaker" over:2=mine unread:3 2>err
    same 0 "$(stat -c %s mine)"
    json log 'assert len(closes) == 3'
}

@test "the original stderr put back on number 2 is written to again" {
    preloaded log "$speaker" unread close:2 unread over:2=err unread 2>err
    same 2 "$(grep -c 'RST \[' err)"
}

# An inetd gives the connection as 0, 1 and 2: what is written there is the answer to the client.
@test "a stderr that is the client's connection itself gets not one byte" {
    socat -u TCP-LISTEN:7300,bind=127.0.0.1 OPEN:received,creat 3>&- &
    client=$!
    # shellcheck disable=SC2317,SC2329 # called by wait_until
    connected()
    {
        { exec {connection}<>/dev/tcp/127.0.0.1/7300; } 2>/dev/null
    }
    wait_until connected
    preloaded warn "$speaker" unread:3 2>&"$connection"
    exec {connection}>&-
    wait "$client"
    same '' "$(cat received)"
}

# ---- A UNIX socket ---------------------------------------------------------------------------

# Runs Python statements with a pair of UNIX sockets: `ours`, and the program's stderr, on which no
# more than a few lines fit. start(STEP...) starts it, preloaded, as `program`.
on_socket()
{
    python3 - "$LIBSAFECLOSE" "$speaker" "$@" 3>&- <<'END'
import os, socket, subprocess, sys

library, speaker, kind, statements = sys.argv[1:]
ours, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, "SOCK_" + kind))
theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
ours.settimeout(60)

def start(*steps):
    environment = dict(os.environ, LD_PRELOAD=library, SAFECLOSE_MODE="log")
    program = subprocess.Popen([speaker, *steps], env=environment, stderr=theirs, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    theirs.close()
    return program

def received():
    text = b""
    while chunk := ours.recv(65536):
        text += chunk
    return text.decode()

exec(statements)
END
}

@test "a stream socket gets the lines" {
    on_socket STREAM '
program = start("unread:2")
assert received().count("RST [") == 2
assert program.wait(60) == 0'
}

@test "a datagram socket gets the lines" {
    on_socket SEQPACKET '
program = start("unread:2")
assert received().count("RST [") == 2
assert program.wait(60) == 0'
}

@test "a full socket does not hold up the program, and what is lost is counted" {
    for kind in STREAM SEQPACKET; do
        on_socket $kind '
program = start("unread:90", "wait")
assert program.stdout.readline() == "waiting\n"
first = ours.recv(1 << 20).decode()
ours.setblocking(False)
try:
    while True:
        first += ours.recv(1 << 20).decode()
except BlockingIOError:
    ours.settimeout(60)
program.communicate("\n", 60)
rest = received()
assert 0 < first.count("RST [") < 90, first
assert "%d log lines lost" % (90 - first.count("RST [")) in rest, (first, rest)
assert program.returncode == 0'
    done
}

@test "a socket whose other end is gone kills nobody" {
    for kind in STREAM SEQPACKET; do
        on_socket $kind '
ours.close()
program = start("handle:13", "unread:3", "say:hello", "is-pending:13")
assert program.communicate("", 60)[0] == "hello\nsignal 13 is not pending\n"
assert program.returncode == 0'
    done
}

# ---- A terminal ------------------------------------------------------------------------------

# Runs Python statements in the leader of a session whose terminal is `slave`, seen from the other
# side as `master`. start(STEP...) starts the program in a process group of its own, which is in the
# background, with the terminal as its stderr.
on_terminal()
{
    python3 - "$LIBSAFECLOSE" "$speaker" "$@" 3>&- <<'END'
import fcntl, os, pty, select, signal, subprocess, sys, termios

library, speaker, statements = sys.argv[1:]
master, slave = pty.openpty()

def lead():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

def start(*steps):
    environment = dict(os.environ, LD_PRELOAD=library, SAFECLOSE_MODE="log")
    return subprocess.Popen([speaker, *steps], env=environment, stderr=slave, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            preexec_fn=lambda: os.setpgid(0, 0))

# How it ended: "stopped", or its exit status.
def end_of(program):
    pid, status = os.waitpid(program.pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        os.kill(pid, signal.SIGKILL)
        return "stopped"
    return os.waitstatus_to_exitcode(status)

# What was written to the terminal.
def shown():
    text = b""
    while select.select([master], [], [], 0)[0]:
        text += os.read(master, 65536)
    return text.decode()

pid = os.fork()
if pid:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.alarm(60)
lead()
exec(statements)
os._exit(0)
END
}

@test "a terminal shows the lines" {
    on_terminal '
program = start("unread:2")
assert end_of(program) == 0
assert shown().count("RST [") == 2'
}

# With TOSTOP a background process that writes is stopped; the program itself writes nothing.
@test "a background process is not stopped for what the library writes, and the line is shown" {
    on_terminal '
attributes = termios.tcgetattr(slave)
attributes[3] |= termios.TOSTOP
termios.tcsetattr(slave, termios.TCSANOW, attributes)
assert os.tcgetpgrp(slave) == os.getpgrp()
program = start("unread:2", "is-pending:22")
assert end_of(program) == 0
assert program.stdout.read() == "signal 22 is not pending\n"
assert shown().count("RST [") == 2'
}

@test "a background process that the terminal stops for its own writing is stopped as before" {
    # shellcheck disable=SC2016 # for the shell that runs it
    on_terminal '
attributes = termios.tcgetattr(slave)
attributes[3] |= termios.TOSTOP
termios.tcsetattr(slave, termios.TCSANOW, attributes)
program = start("unread", "shell:kill -TTOU $PPID", "say:hello")
assert end_of(program) == "stopped"'
}

@test "a terminal stopped by ^S does not hold up the program, and what is lost is counted" {
    on_terminal '
os.write(master, b"\x13")
termios.tcflow(slave, termios.TCOOFF)
program = start("unread:3", "wait")
assert program.stdout.readline() == "waiting\n"
assert shown() == ""
termios.tcflow(slave, termios.TCOON)
program.stdin.write("\n")
program.stdin.flush()
assert end_of(program) == 0
assert "4 TCP closes: 3 RST, 0 unknown, 4 log lines lost; see safeclose report" in shown()'
}

@test "a terminal that hangs up kills nobody by the library's hand" {
    on_terminal '
signal.signal(signal.SIGHUP, signal.SIG_IGN)
program = start("wait", "unread:3", "say:hello")
assert program.stdout.readline() == "waiting\n"
os.close(master)
program.stdin.write("\n")
program.stdin.flush()
assert end_of(program) == 0
assert program.stdout.read() == "hello\n"'
}
