# shellcheck shell=bash
# What the tests of `safeclose watch` share. Load it after helper.

safeclose=$top/safeclose
# Whoever tests in another place has another program there.
play=$programs/watch_play

setup()
{
    cd "$BATS_TEST_TMPDIR" || return
    events=$BATS_TEST_TMPDIR/events
}

# watching ARGUMENT...: watch runs, and has begun to; what it prints goes to $events.
watching()
{
    # Of one before it nothing may be taken for this one's.
    rm -f "$events" "$events.said"
    "${watch_by[@]}" "$safeclose" watch "$@" >"$events" 2>"$events.said" 3>&- &
    watch=$!
    wait_until grep -qs 'safeclose: watching' "$events.said"
}

# seen: ends watch, which has told by then what has happened before.
seen()
{
    kill -INT "$watch"
    wait "$watch"
}

# plays ARGUMENT...: plays a scene of watch_play under `watch --json`, with $watch_with besides. What was read is in
# $read, the processes in $of_program, $of_peer, ... Beside a test that resets thousands of connections watch looks at
# samples, and says so; what it may have missed then is played again.
plays()
{
    local again
    for again in {1..20}; do
        plays_once "$@"
        grep -q '"sampled":true' "$events" || return 0
    done
    fail "watch took samples $again times"
}

plays_once()
{
    local word value
    begin "${play_by[@]}" "$play" "$@"
    hear
    port=$heard
    watching --json --ports "$port" "${watch_with[@]}"
    go_on
    finish
    same 0 "$status"
    while read -r word value; do
        declare -g "of_$word=$value"
    done <<<"$output"
    seen
}

# The first two lines are for the tests; the rest of bats' arrays stay as they were.
watch_by=() watch_with=() play_by=()

# resets STATEMENT...: what is true, in Python, of the resets in $events that are this test's: all of them are in
# `resets`, the first is r. The trace is machine-wide, and another namespace may use the same port.
resets()
{
    local netns
    netns=$(stat -L -c %i /proc/self/ns/net)
    json "$events" "
ours = ('127.0.0.1:$port', '[::1]:$port')
resets = [e for e in events if e['event'] == 'reset' and e.get('netns', $netns) in ($netns,)
          and (e['local'] in ours or e['peer'] in ours)]
assert resets, events
r = resets[0]
$(printf 'assert %s, resets\n' "$@")"
}

teardown()
{
    [[ ! ${watch-} ]] || kill -KILL "$watch" 2>/dev/null || true
}
