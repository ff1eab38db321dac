#!/usr/bin/env bats
# safeclose watch: the closing function is found in every kind of program: with and without frame pointers, static,
# stripped, in a chroot, in another network namespace, in Go, Java and JavaScript.

# Takes long.

load ../support/helper
load watch

# shellcheck disable=SC2154 # of_...: plays sets them

# A watch_play of our own: build OPTION...
build()
{
    gcc -std=gnu11 -O2 -g -I"$top/tests/support" "$@" -o "$BATS_TEST_TMPDIR/watch_play" \
        "$top"/tests/cli/watch_play{,_stage,_asked}.c "$top"/tests/support/{net,play}.c -pthread
    play=$BATS_TEST_TMPDIR/watch_play
}

told()
{
    resets "r['pid'] == $of_program" "r['functions'][0] == '$1'" '"main" in r["functions"]' 'r["via"] == "close"'
}

@test "a C program without frame pointers" {
    build -fomit-frame-pointer
    plays unread
    told close_unread
    plays late-output
    told close_during_output
}

@test "a C program with frame pointers, and without tables" {
    build -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables
    plays unread
    told close_unread
}

@test "a static program" {
    build -static
    plays late-output
    told close_during_output
}

# The witness for the place is addr2line, with the same program before it was stripped.
@test "a stripped program is told by its places" {
    build
    cp "$play" whole
    strip "$play"
    plays unread
    resets "r['stack'][0].startswith('$play+0x')" 'r["functions"][0] == ""' 'r["via"] == "close"'
    place=$(json "$events" 'print(events[0]["stack"][0].split("+")[1])')
    same close_unread "$(addr2line -f -e whole "$(printf '0x%x' $((place - 1)))" | head -1)"
}

@test "a program in a chroot" {
    build -static
    mkdir -p root/proc
    cp "$play" root
    play_by=(chroot root)
    play=/watch_play
    plays unread
    told close_unread
    resets '"/watch_play+0x" in r["stack"][0]'
}

@test "a program in another network namespace" {
    build
    play_by=(unshare -n sh -c 'ip link set lo up; exec "$@"' sh)
    plays unread
    same ECONNRESET "$of_read"
    json "$events" "r = next(e for e in events if e.get('pid') == $of_program)
assert r['functions'][0] == 'close_unread' and r['netns'] != $(stat -L -c %i /proc/self/ns/net), events"
}

# serves COMMAND...: a server that prints its port, and a client of it under watch.
serves()
{
    local word=$1
    shift
    begin "$@"
    hear
    port=$heard
    watching --json --ports "$port"
    read -r told_client < <(python3 "$top/tests/cli/watch_client.py" "$port" "$word")
    # The client may know before watch has told.
    wait_until grep -q '"event":"reset"' "$events"
    seen
    # unshare hears no other signal while its child runs.
    kill -KILL "$program"
    finish
}

go_server()
{
    HOME=$BATS_TEST_TMPDIR GOCACHE=$BATS_TEST_TMPDIR/cache GOFLAGS=-mod=mod go build "$@" -o server "$top/tests/cli/watch_server.go"
}

@test "a Go program: the function that dropped the client" {
    go_server
    serves drop ./server
    same 'Connection reset by peer' "$told_client"
    resets 'r["cause"] == "unread-data"' "r['pid'] == $program" 'r["comm"] == "server"' \
        '"main.dropClient" in r["functions"]' '"main.main" in r["functions"]' 'r["via"] == "close"'
}

@test "a Go program: the function that closed before late data came" {
    go_server
    serves late ./server
    matches '^(Connection reset by peer|Broken pipe)$' "$told_client"
    resets 'r["cause"] == "late-data"' "r['pid'] == $program" '"main.finishResponse" in r["functions"]'
}

@test "a stripped Go program has its names from its own table" {
    go_server -ldflags '-s -w'
    same 0 "$(nm server 2>/dev/null | wc -l)"
    serves drop ./server
    resets '"main.dropClient" in r["functions"]' '"main.main" in r["functions"]'
}

@test "a Java program: the native function that closed" {
    cat >Server.java <<'END'
import java.net.*;
class Server {
    public static void main(String[] arguments) throws Exception {
        ServerSocket listener = new ServerSocket(0, 9, InetAddress.getByName("127.0.0.1"));
        System.out.println(listener.getLocalPort());
        while (true) {
            Socket client = listener.accept();
            client.getInputStream().read();
            client.close();
        }
    }
}
END
    javac Server.java
    serves drop java -cp . Server
    matches 'reset|read' "$told_client"
    resets 'r["cause"] == "unread-data"' "r['pid'] == $program" 'r["comm"] == "java"' \
        'any("close" in name for name in r["functions"])' 'any("libnio" in place for place in r["stack"])'
}

# Code that is made at run time is in no file; Node writes /tmp/perf-PID.map if asked to.
node=(node --perf-basic-prof --interpreted-frames-native-stack)

@test "a Node program that writes a map of its code: the function of JavaScript" {
    serves drop "${node[@]}" "$top/tests/cli/watch_server.js"
    rm -f "/tmp/perf-$program.map"
    matches 'reset|read' "$told_client"
    resets 'r["cause"] == "unread-data"' "r['pid'] == $program" 'any("dropClient" in name for name in r["functions"])'
}

@test "such a program in namespaces of its own: the map is that of its /tmp, and of its own number" {
    mkdir private
    cp "$top/tests/cli/watch_server.js" private
    serves drop unshare --mount --pid --fork --kill-child sh -c 'mount --bind private /tmp && exec "$@"' sh \
        "${node[@]}" /tmp/watch_server.js
    matches 'reset|read' "$told_client"
    resets 'any("dropClient" in name for name in r["functions"])'
    [[ -s private/perf-1.map ]]
}

# Whoever has used perf here has mounted it.
mounted='{ mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; }'

# instances: what watchers by tracefs have made and not removed.
instances()
{
    unshare -m sh -c "$mounted && ls /sys/kernel/tracing/instances"
}

sleeps()
{
    [[ $(cat "/proc/$1/comm") == sleep ]]
}

# A watcher is killed, its number is in $killed, and what it made stays.
leaves_an_instance()
{
    local holder
    watching --json
    # Who begins to watch meanwhile can't remove what somebody has open.
    unshare -m sh -c "$mounted && exec sleep 100 </sys/kernel/tracing/instances/safeclose-watch-$watch/trace_pipe" 3>&- &
    holder=$!
    wait_until sleeps "$holder"
    kill -KILL "$watch"
    wait "$watch" || true
    killed=$watch
    matches "safeclose-watch-$killed" "$(instances)"
    kill "$holder"
    wait "$holder" || true
}

@test "an instance that a killed watcher had for idle processors is removed by the next" {
    leaves_an_instance
    watching --json
    seen
    [[ ! $(instances) =~ safeclose-watch-($killed|$watch) ]] || fail "left: $(instances)"
}

@test "where perf is refused, tracefs tells the same, and nothing stays behind, not even of one that was killed" {
    build -fno-omit-frame-pointer
    watch_by=(unshare -m sh -c "$mounted &&"'
        exec setpriv --bounding-set=-sys_admin,-perfmon --inh-caps=-sys_admin,-perfmon "$@"' sh)
    leaves_an_instance
    plays unread
    resets 'r["cause"] == "unread-data"' "r['pid'] == $of_program" 'r["comm"] == "watch_play"' \
        '"play_unread" in r["functions"]' 'r["via"] == "close"'
    grep -q 'perf_event_open is refused' "$events.said"
    plays late-output
    resets 'r["cause"] == "late-data"' "r['pid'] == $of_program" '"play_late_output" in r["functions"]'
    plays closed-port
    resets 'r["cause"] == "no-socket"' '"pid" not in r'
    [[ ! $(instances) =~ safeclose-watch-($killed|$watch) ]] || fail "left: $(instances)"
}
