#!/usr/bin/env bats
# safeclose watch: how it is used: options, rights, what it leaves behind, two at a time, the summary, the firewall.

load ../support/helper
load watch

# shellcheck disable=SC2154 # of_...: plays sets them

# refused PATTERN ARGUMENT...: nothing on stdout, one line on stderr.
refused()
{
    local pattern=$1
    shift
    run -125 --separate-stderr "$safeclose" watch "$@"
    same '' "$output"
    same 1 "${#stderr_lines[@]}"
    matches "^safeclose: unable to $pattern\$" "${stderr_lines[0]}"
}

@test "each bad option is refused in one sentence that says what is allowed" {
    refused 'use --pid="none": must be the id of a process' --pid none
    refused 'watch process 4194304: there is none' --pid 4194304
    refused 'use --ports="0": must be ports and ranges of 1 to 65535.*' --ports 0
    refused 'use --for="5": must be a duration .*' --for 5
    refused 'understand --ever: no such option; try: safeclose watch --help' --ever
    refused 'use --for: it needs a value; try: safeclose watch --help' --for
    refused 'watch: "now" is no option; try: safeclose watch --help' now
}

@test "without rights it says in one sentence what to do" {
    cp "$safeclose" . && chmod 755 . safeclose
    safeclose=./safeclose
    run -125 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups ./safeclose watch --for 1s
    same 1 "${#stderr_lines[@]}"
    matches '^safeclose: unable to watch: .*: (Permission denied|Operation not permitted); run it as root, .*: sudo safeclose watch$' "$stderr"
}

@test "it ends after the time that it was given, and sums up" {
    run -0 --separate-stderr "$safeclose" watch --for 50ms --ports 1
    same '' "${stderr_lines[1]-}"
    matches '^0 resets sent in [0-9.]+ s; [0-9]+ events? lost$' "${lines[0]}"
}

# told SCENE: plays it under watch, whose text is in $events.
told()
{
    begin "$play" "$@"
    hear
    port=$heard
    watching --ports "$port"
    go_on
    finish
    seen
}

@test "in text: what, why, who, where, and a summary" {
    play=$programs/watch_play
    told unread
    run -0 cat "$events"
    matches "^[0-9:.]{12}Z RST sent 127\.0\.0\.1:$port -> 127\.0\.0\.1:[0-9]+ \[unread-data\]\$" "${lines[0]}"
    same '  why: closed with unread data (TCP_ABORT_ON_CLOSE)' "${lines[1]}"
    same '  fix: shutdown(fd, SHUT_WR), read to EOF or a time limit, then close' "${lines[2]}"
    same "  who: watch_play[$program]" "${lines[3]}"
    same '  at:  close' "${lines[4]}"
    matches '^       close_unread \(watch_play\.c:[0-9]+\)$' "${lines[5]}"
    matches '^1 reset sent in ' "$(grep 'reset sent' "$events")"
    matches "^ +1 +sent +unread-data +watch_play +$port +close_unread\$" "${lines[-1]}"
    (($(awk '{ print length }' "$events" | sort -n | tail -1) <= 80))
}

# What a terminal sends when Ctrl-C is pressed: to watch and to what it has started.
@test "ended while addr2line is at work, it waits for the answer" {
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" . # addr2line runs as nobody
    mkdir bin
    mkfifo asked
    chmod 666 asked
    exec {asked}<>asked
    printf '#!/bin/bash\necho $$ >%s\n/bin/sleep 0.2\nexec %s "$@"\n' "$PWD/asked" "$(command -v addr2line)" >bin/addr2line
    chmod 755 bin/addr2line
    begin "$play" unread
    hear
    port=$heard
    PATH=$PWD/bin:$PATH watching --ports "$port"
    go_on
    read -r _ <&"$asked" # about libc, and then about the program
    read -r tool <&"$asked"
    kill -INT "$watch" "$tool"
    finish
    wait "$watch"
    matches 'close_unread \(watch_play\.c:[0-9]+\)' "$(<"$events")"
}

@test "--pid shows a process and its children, and no other" {
    watch_with=(--pid $$)
    plays unread
    resets "r['pid'] == $of_program"
    sleep 100 3>&- &
    other=$!
    watch_with=(--pid "$other")
    plays unread
    json "$events" 'assert not [e for e in events if e["event"] == "reset"], events'
    kill "$other"
}

@test "two at a time see the same, and leave nothing behind" {
    before=$(mount)
    begin "$programs/watch_play" unread
    hear
    port=$heard
    watching --json --ports "$port"
    first=$watch
    events=$BATS_TEST_TMPDIR/second
    watching --json --ports "$port"
    go_on
    finish
    seen
    resets 'r["functions"][0] == "close_unread"'
    events=$BATS_TEST_TMPDIR/events watch=$first
    seen
    resets 'r["functions"][0] == "close_unread"'
    same "$before" "$(mount)"
}

@test "a signal while it begins ends it, and nothing is left behind" {
    run -0 strace -o calls -e trace='/^(mkdir|rmdir|unlink)' -e inject='/^mkdir:signal=INT' "$safeclose" watch
    instance=$(sed -n 's/^mkdir.*\(safeclose-watch-[0-9]*\)".*/\1/p' calls)
    [[ $instance ]]
    matches "(rmdir|unlinkat)\(.*/$instance\".* = 0\$" "$(grep "$instance" calls)"
}

# asked ARGUMENT...: plays late data that comes after watch has seen the close; what the program asked of its own socket
# just before it is in $of_unacked and $of_unsent.
family=()
asked()
{
    begin "${play_by[@]}" "$play" "${family[@]}" late-asked
    hear
    port=$heard
    watching --ports "$port" "$@"
    go_on
    wait_until grep -q 'zero-linger' "$events"
    go_on
    finish
    same 0 "$status"
    of_unacked=$(sed -n 's/^unacked //p' <<<"$output")
    of_unsent=$(sed -n 's/^unsent //p' <<<"$output")
    matches 'read ECONNRESET' "$output"
    seen
}

@test "output that a reset by late data has thrown away is told, as of when the close was seen" {
    asked --json
    json "$events" "late = [e for e in events if e.get('cause') == 'late-data']
assert len(late) == 1 and late[0]['unacked_then'] == $of_unacked and late[0]['unsent_then'] == $of_unsent, late
assert 0 < late[0]['asked_after_close_us'] <= late[0]['after_close_us'], late"
    ((of_unsent > 0 && of_unsent < of_unacked))
    asked
    matches '  lost: at most [0-9.,]+ [kM]?B of output, [0-9.,]+ [kM]?B of it unsent [0-9.]+ ms after the close' "$(<"$events")"
}

@test "such output is told of IPv6, and of a program in another network namespace" {
    play_by=(unshare -n sh -c 'ip link set lo up; exec "$@"' sh) family=(-6)
    asked --json
    json "$events" "late = [e for e in events if e.get('cause') == 'late-data']
assert len(late) == 1 and late[0]['unacked_then'] == $of_unacked and late[0]['unsent_then'] == $of_unsent, late"
}

@test "late data to a connection whose output had arrived has thrown none away" {
    told late-fin
    grep -q '^  lost: no output: all of it had arrived$' "$events"
}

@test "a connection that nft rejects with a reset is told as the firewall's" {
    nft add table inet watched
    nft add chain inet watched in '{ type filter hook input priority 0; }'
    nft add rule inet watched in tcp dport 47 reject with tcp reset
    watching --json --received --ports 47
    port=47
    run python3 -c 'import socket; socket.create_connection(("127.0.0.1", 47))'
    matches 'ConnectionRefusedError' "$output"
    seen
    nft delete table inet watched
    resets 'r["cause"] == "firewall"' 'r["direction"] == "received"' 'r["peer"] == "127.0.0.1:47"' '"pid" not in r' 'len(resets) == 1'
}

@test "a port where nobody listens is told as such, and the answer that came in as the peer's" {
    watching --json --received --ports 47
    port=47
    run python3 -c 'import socket; socket.create_connection(("127.0.0.1", 47))'
    seen
    resets '{e["direction"]: e["cause"] for e in resets} == {"sent": "no-socket", "received": "peer"}'
}

@test "--log adds what the library knows of the same close, and report counts the two once" {
    : >log
    play_by=(env "LD_PRELOAD=$LIBSAFECLOSE" SAFECLOSE_LOG="$PWD/log" SAFECLOSE_MODE=log)
    watch_with=(--log log)
    plays unread
    resets 'r["unread"] == 4' 'r["content"] == "text"' "r['cookie'] == '$(json log 'print(unread[0]["cookie"])')'" \
        'r["functions"][0] == "close_unread"'
    run -0 "$safeclose" report log "$events"
    matches '^1 reset .*from 1 call site' "${lines[0]}"
    refused 'read the log "nowhere": No such file or directory' --log nowhere
}

@test "report reads late data from watch, with what to do" {
    plays late-output
    run -0 "$safeclose" report "$events"
    matches 'close_during_output .*\[late-data\]' "$output"
    matches 'what: +data arrived after the close' "$output"
    run -9 "$safeclose" report --error-exitcode 9 "$events"
}
