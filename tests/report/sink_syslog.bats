#!/usr/bin/env bats
# syslog as the log. The witness is whoever listens on /dev/log: each test has its own, in a mount
# namespace with a /dev of its own, so that the machine's is not touched.

load ../support/helper

setup()
{
    dir=$BATS_TEST_TMPDIR
    cd "$dir" || return
    unshare -m "$BATS_TEST_DIRNAME/../support/private_dev" "$dir/ready" sleep 600 3>&- &
    holder=$!
    wait_until test -e ready
}

teardown()
{
    kill "$holder"
}

# within COMMAND...: where /dev is ours.
within()
{
    nsenter -m -t "$holder" --wd="$dir" "$@" 3>&-
}

# listen FILE: what arrives at /dev/log goes to FILE. $syslog is who listens.
listen()
{
    within rm -f /dev/log
    # Without a shell in between, so that it is socat that gets the signals.
    (exec nsenter -m -t "$holder" --wd="$dir" socat -u "${2-UNIX-RECV}":/dev/log \
        OPEN:"$1",creat,append 3>&-) &
    syslog=$!
    wait_until within test -S /dev/log
}

# arrived FILE WORD: waits until everything that was sent before has arrived.
arrived()
{
    printf '<0>%s' "$2" | within socat -u - UNIX-SENDTO:/dev/log
    wait_until grep -q "<0>$2" "$1"
}

# hang_up FILE: stops listening.
hang_up()
{
    arrived "$1" end
    kill "$syslog"
    wait "$syslog" || true
}

# logged MODE COMMAND...: with syslog as its log.
logged()
{
    SAFECLOSE_LOG=syslog within env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" "${@:2}"
}

# The messages in FILE, one a line.
messages()
{
    sed 's/<0>[a-z]*//g' "$1" | awk 'BEGIN { RS = "<28>" } NR > 1 { print RS $0 }'
}

@test "each event is a message of a daemon's warning, with the program's pid" {
    listen got
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 --separate-stderr logged log "$speaker" unread:2 'shell:echo $PPID'
    hang_up got
    same '' "$stderr"
    same 4 "$(messages got | wc -l)"
    messages got | while IFS= read -r message; do
        matches "^<28>safeclose\[$output\]: [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z speaker\[$output\]: (watching closes|close\(|3 TCP closes)" \
            "$message"
    done
}

@test "each line of an explanation is a message of its own, without its newline" {
    listen got
    SAFECLOSE_STACK=1 logged warn "$speaker" unread
    hang_up got
    same 0 "$(tr -cd '\n' <got | wc -c)"
    same 8 "$(messages got | grep -cE '^<28>safeclose\[[0-9]+\]: ')"
    same 'what fix at why peer' "$(messages got | sed -nE 's/^<28>safeclose\[[0-9]+\]:   ([a-z]+): .*/\1/p' | xargs)"
}

@test "syslog takes JSON where asked to" {
    listen got
    SAFECLOSE_FORMAT=json logged log "$speaker" unread
    hang_up got
    messages got | sed -E 's/^<28>safeclose\[[0-9]+\]: //' >events
    json events 'assert [e["event"] for e in events] == ["start", "close", "summary"]'
}

@test "what is unusable is said in syslog" {
    listen got
    SAFECLOSE_PORTS=x run -0 --separate-stderr logged log "$speaker" unread
    hang_up got
    same '' "$stderr"
    same 1 "$(messages got | grep -c 'SAFECLOSE_PORTS="x": must be')"
}

@test "without a syslog: one line with the reason, and stderr instead" {
    run -0 --separate-stderr logged log "$speaker" unread
    same "safeclose: TIME speaker[PID]: unable to reach syslog at /dev/log: No such file or directory; logging to stderr
safeclose: TIME speaker[PID]: watching closes; mode log changes nothing
safeclose: TIME speaker[PID]: close(FD) 127.0.0.1:PORT->127.0.0.1:PORT: RST [unread-data] 5 bytes unread, 0 unacked
safeclose: TIME speaker[PID]: 2 TCP closes: 1 RST, 0 unknown; see safeclose report" "$(undated <<<"$stderr")"
}

@test "a syslog that takes streams, or that nobody listens at, is none" {
    listen got UNIX-LISTEN
    run -0 --separate-stderr logged log "$speaker" unread
    matches 'unable to reach syslog at /dev/log: Protocol wrong type for socket; logging to stderr' \
        "$stderr"
    kill "$syslog"
    within rm -f /dev/log
    within python3 -c 'import socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind("/dev/log")'
    run -0 --separate-stderr logged log "$speaker" unread
    matches 'unable to reach syslog at /dev/log: Connection refused; logging to stderr' "$stderr"
    matches 'RST \[unread-data\]' "$stderr"
}

@test "the connection to syslog is close-on-exec, and so is the socket for questions to the kernel" {
    listen got
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 logged log "$speaker" unread 'shell:ls -l /proc/$PPID/fd | grep -c socket; ls -l /proc/self/fd | grep -c socket'
    same $'4\n0' "$output"
    hang_up got
}

@test "when syslog is restarted its messages arrive again" {
    listen first
    begin logged log "$speaker" unread wait unread
    hear waiting
    hang_up first
    listen second
    go_on
    finish
    hang_up second
    same 1 "$(messages first | grep -c 'RST \[')"
    same 1 "$(messages second | grep -c 'RST \[')"
    same 0 "$(messages second | grep -c lost)"
}

@test "what was lost while syslog was away is counted" {
    listen first
    begin logged log "$speaker" unread wait unread:3 wait
    hear waiting
    hang_up first
    go_on
    hear waiting
    listen second
    go_on
    finish
    hang_up second
    same 1 "$(messages second | grep -c '5 TCP closes: 4 RST, 0 unknown, 3 log lines lost; see safeclose report')"
}

# The kernel queues no more than net.unix.max_dgram_qlen messages.
@test "a syslog that does not read does not hold up the program, and what is lost is counted" {
    listen got
    kill -STOP "$syslog"
    begin logged log "$speaker" unread:90 say:hello wait
    hear hello
    hear waiting
    kill -CONT "$syslog"
    arrived got now
    go_on
    finish
    hang_up got
    told=$(messages got | grep -c 'RST \[')
    ((told > 0 && told < 90))
    same 1 "$(messages got | grep -c "91 TCP closes: 90 RST, 0 unknown, $((90 - told)) log lines lost; see safeclose report")"
}

@test "a program that closes every number finds none of ours, and is logged on" {
    listen got
    expected=$("$speaker" unread close-all 3>&-)
    run -0 logged log "$speaker" unread close-all unread
    same "$expected" "$output"
    hang_up got
    same 2 "$(messages got | grep -c 'RST \[')"
}

@test "a connection to syslog that is closed behind the library's back is made again" {
    listen got
    logged log "$speaker" unread range-close-all unread
    hang_up got
    same 2 "$(messages got | grep -c 'RST \[')"
}

@test "after a chroot and a setuid syslog is still reached" {
    setpriv --reuid=65534 --clear-groups true 2>/dev/null || skip 'not root'
    listen got
    mkdir root
    logged log "$speaker" unread chroot:root unread user:65534 unread
    hang_up got
    same 3 "$(messages got | grep -c 'RST \[')"
}

@test "a file of the program's that comes to stand on its number is not written to" {
    listen got
    logged log "$speaker" unread over-all:mine unread
    hang_up got
    same 0 "$(stat -c %s mine)"
}

@test "fork children write to syslog under their own pids" {
    listen got
    logged log "$speaker" unread children:3 unread
    hang_up got
    same 4 "$(messages got | grep 'RST \[' | grep -oE '^<28>safeclose\[[0-9]+\]' | sort -u | wc -l)"
}

@test "a program that uses no TCP sends nothing" {
    listen got
    logged warn "$speaker" say:hello
    hang_up got
    same '' "$(messages got)"
}
