#!/usr/bin/env bats
# What holds wherever the log goes: that the program runs as it does without the library, how much is
# written, and that what isn't is counted. Each kind of log has a file of its own (sink_*.bats).

load ../support/helper

setup()
{
    dir=$BATS_TEST_TMPDIR
    log=$dir/log
    cd "$dir" || return
}

# ---- As if nothing were there ----------------------------------------------------------------

@test "whatever the log, the program prints, ends and resets as it does without the library" {
    mkfifo fifo
    steps=(unread:3 end zero-linger clean opened pending:2 say:hello exit:7)
    begin "$speaker" "${steps[@]}"
    finish
    same 7 "$status"
    expected=$output
    for log in stderr none "$dir/file" fifo /dev/full /dev/null /nowhere/log "$dir" syslog; do
        for mode in off log warn; do
            before=$(counter TCPAbortOnClose)
            SAFECLOSE_LOG=$log begin preloaded $mode "$speaker" "${steps[@]}" 2>/dev/null
            finish
            same "7 $expected" "$status $output"
            same $((before + 4)) "$(counter TCPAbortOnClose)"
        done
    done
}

@test "without a log no descriptor is held, on stderr but the socket for questions, on a high number" {
    # shellcheck disable=SC2016 # for the shell that runs it
    steps=(unread 'shell:ls /proc/$PPID/fd | xargs')
    expected=$("$speaker" "${steps[@]}" 3>&-)
    same "$expected" "$(SAFECLOSE_LOG=none preloaded log "$speaker" "${steps[@]}" 2>/dev/null)"
    # shellcheck disable=SC2046,SC2086 # words
    same "$(printf '%s\n' $expected 1000 | sort | xargs)" \
        "$(preloaded log "$speaker" "${steps[@]}" 2>/dev/null)"
}

@test "in a program started with 0, 1 and 2 closed the log takes none of these numbers" {
    # Its own number is above all others.
    steps=(over:1=out unread "shell:ls /proc/\$PPID/fd | awk '\$1 < 900' | xargs")
    "$speaker" "${steps[@]}" <&- >&- 2>&- 3>&-
    expected=$(<out)
    rm out
    SAFECLOSE_LOG=$log preloaded log "$speaker" "${steps[@]}" <&- >&- 2>&-
    same "$expected" "$(<out)"
    json "$log" 'assert len(closes) == 1'
}

@test "a thousand events leave no descriptor behind" {
    # shellcheck disable=SC2016 # for the shell that runs it
    count='shell:ls /proc/$PPID/fd | wc -l'
    run -0 --separate-stderr env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_LOG="$log" \
        "$speaker" unread "$count" unread:1000 "$count"
    same "${lines[0]}" "${lines[1]}"
}

# ---- How much --------------------------------------------------------------------------------

@test "every close is written or counted as not written" {
    SAFECLOSE_LOG=$log run -0 counted TCPAbortOnClose preloaded log "$speaker" unread:1000
    same 1000 "$output"
    json "$log" '
s = summaries[0]
assert len(closes) + s["suppressed"] == 1000 and s["lost"] == 0, s
assert s["outcomes"]["rst"] == 1000, s'
}

# The clock that is asked before an event is written may show the end of a second and the event the
# beginning of the next, so that one event seems to be in a second that it was not counted in.
@test "at most a hundred events a second are written" {
    SAFECLOSE_LOG=$log preloaded log "$speaker" unread:1000
    json "$log" '
from collections import Counter
seconds = Counter(e["mono_ns"] // 10**9 for e in closes)
assert max(seconds.values()) <= 101, seconds
assert len(closes) < 1000 or len(seconds) >= 10, seconds'
}

@test "the text summary says how many were not written" {
    run -0 --separate-stderr preloaded log "$speaker" opened:1000
    written=$(grep -c 'RST \[' <<<"$stderr")
    same "safeclose: TIME speaker[PID]: 1000 TCP closes: 1000 RST, 0 unknown, $((1000 - written)) not logged (more than 100 events a second); see safeclose report" \
        "$(undated <<<"$stderr" | tail -n 1)"
}

@test "a second after so many the log goes on" {
    SAFECLOSE_LOG=$log begin preloaded log "$speaker" unread:300 wait ipv6 unread
    hear waiting
    # Not to wait for anybody: this is the time that must pass.
    sleep 1
    go_on
    finish
    json "$log" 'assert closes[-1]["local"].startswith("[::1]:"), closes[-1]'
}

# The parent uses TCP first: of children alone, three may have ended before the fourth has begun to.
@test "a family has one hundred a second, and counts together what is not written" {
    SAFECLOSE_LOG=$log preloaded log "$speaker" clean children:4 unread:60
    json "$log" '
from collections import Counter
seconds = Counter(e["mono_ns"] // 10**9 for e in closes)
assert max(seconds.values()) <= 101, seconds
assert len(summaries) == 1 and len(closes) + summaries[0]["suppressed"] == 240, summaries
assert summaries[0]["outcomes"]["rst"] == 240 and summaries[0]["lost"] == 0, summaries'
}

@test "what is not written is drained all the same" {
    SAFECLOSE_LOG=$log run -0 counted TCPAbortOnClose preloaded drain "$speaker" unread:1000
    same 0 "$output"
    json "$log" 'assert summaries[0]["actions"]["drained"] == 1000, summaries'
}

# ---- Many at once ----------------------------------------------------------------------------

@test "threads that close at the same time write whole lines, and all are counted" {
    SAFECLOSE_LOG=$log run -0 counted TCPAbortOnClose preloaded log "$speaker" threads:8=50
    same 400 "$output"
    json "$log" '
s = summaries[0]
assert len(closes) + s["suppressed"] + s["lost"] == 400, (len(closes), s)
assert len({e["cookie"] for e in closes}) == len(closes), "an event twice"'
}

@test "threads on stderr write whole lines too" {
    run -0 --separate-stderr preloaded log "$speaker" threads:8=50
    matches '408 TCP closes: 400 RST, 0 unknown, ' "${stderr##*$'\n'}"
    matches 'watching closes; mode log changes nothing$' "${stderr%%$'\n'*}"
    close='close\([0-9]+\) 127\.0\.0\.1:[0-9]+->127\.0\.0\.1:[0-9]+'
    verdict='RST \[unread-data\] 5 bytes unread, 0 unacked'
    same '' "$(sed '1d;$d' <<<"$stderr" |
        grep -vE "^safeclose: [0-9:.]+Z speaker\[[0-9]+\]: $close: $verdict\$")"
}

@test "the first events of a process come whole from many threads" {
    SAFECLOSE_LOG=$log preloaded log "$speaker" clean children:30 threads:4=2
    json "$log" '
assert len(summaries) == len(starts) == 1, [e for e in events if e["event"] != "close"]
s = summaries[0]
assert len(closes) + s["suppressed"] + s["lost"] == s["outcomes"]["rst"] == 240, s
assert all(e["confirmed"] for e in closes), closes
assert len({e["cookie"] for e in closes}) == len(closes), "an event twice"'
}
