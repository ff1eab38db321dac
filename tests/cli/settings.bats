#!/usr/bin/env bats
# The settings: what each does, and what is said of a value that can't be used. The witness of a
# value that is in force is the kernel's count of resets, the peer's read, or the log that it asks
# for; that a mode acts or not belongs to the tests of closing.

# Takes long.

load ../support/helper

all_names=(MODE LOG FORMAT EVENTS STACK PREVIEW PORTS PROGRAMS DISCARD_MAX LINGER_IDLE LINGER_TIME EXIT_WAIT
    SUMMARY INHERITED CONTROL)

# with NAME=VALUE... COMMAND...: the library in front of it with these settings and no others.
with()
{
    env LD_PRELOAD="$LIBSAFECLOSE" "$@" 3>&-
}

# What is said of a setting that can't be used, whatever it is.
complaints()
{
    grep -aE ' (must be|is not a setting)|unable to ' || true
}

# refuses NAME ALLOWED DEFAULT VALUE...: each value gets one line, which says all that.
refuses()
{
    local name=$1 allowed=$2 default=$3 value
    shift 3
    for value in "$@"; do
        run -0 --separate-stderr with "SAFECLOSE_$name=$value" "$speaker" unread
        same "safeclose: TIME speaker[PID]: SAFECLOSE_$name=\"$value\": must be $allowed; using the default ($default)" \
            "$(complaints <<<"$stderr" | undated)"
    done
}

# takes NAME VALUE...: no value gets a line.
takes()
{
    local name=$1 value
    shift
    for value in "$@"; do
        run -0 --separate-stderr with "SAFECLOSE_$name=$value" "$speaker" unread
        same '' "$(complaints <<<"$stderr")"
    done
}

# One unread close as this program, with these settings, resets or not: 1 or 0.
resets()
{
    counted TCPAbortOnClose with "$@"
}

reset_line='safeclose: TIME speaker[PID]: close(FD) 127.0.0.1:PORT->127.0.0.1:PORT: RST [unread-data] 5 bytes unread, 0 unacked'

# ---- SAFECLOSE_MODE --------------------------------------------------------------------------

@test "MODE takes off, log, warn, drain and linger" {
    takes MODE off log warn drain linger
}

@test "MODE refuses anything else, capitals included" {
    refuses MODE 'off, log, warn, drain or linger' warn '' OFF Warn 1 'drain ' ' drain' drain,log LINGER
}

@test "after an unusable MODE the mode is warn, which resets as the bare program and explains" {
    run -0 --separate-stderr resets SAFECLOSE_MODE=drian "$speaker" unread
    same 1 "$output"
    matches 'mode warn changes nothing' "$stderr"
    matches $'\nsafeclose:   what: the program read nothing' "$stderr"
}

@test "off is silent, whatever the other settings hold" {
    run -0 --separate-stderr with SAFECLOSE_MODE=off SAFECLOSE_PORTS=no SAFECLOSE_LOG= \
        SAFECLOSE_UNKNOWN=1 SAFECLOSE_EVENTS=all "$speaker" unread say:hello
    same hello "$output"
    same '' "$stderr"
}

@test "off leaves a log file uncreated" {
    with SAFECLOSE_MODE=off SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" "$speaker" unread
    [ ! -e "$BATS_TEST_TMPDIR/log" ]
}

# ---- SAFECLOSE_LOG ---------------------------------------------------------------------------

@test "LOG takes stderr, none, and names with %p, %h and %%" {
    cd "$BATS_TEST_TMPDIR"
    takes LOG stderr none "$PWD/log" log.%p log.%h log.%% %p%h%p%%%p ./stderr
}

@test "LOG refuses an empty name and a percent sign that means nothing" {
    refuses LOG 'stderr, syslog, none or a file name (%p in it is the pid, %h the host, %% a percent sign)' \
        stderr '' % 100% /%d.log '%%%' %P
}

@test "LOG refuses a name that is too long for a file" {
    long=$(printf '%05000d' 0)
    run -0 --separate-stderr with SAFECLOSE_LOG="$long" "$speaker" unread
    same 1 "$(complaints <<<"$stderr" | grep -c '^safeclose: [^ ]* speaker\[[0-9]*\]: SAFECLOSE_LOG="0000.*must be')"
}

@test "after an unusable LOG events go to stderr" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_LOG=100% "$speaker" unread
    same "$reset_line" "$(undated <<<"$stderr" | grep -F RST\ [)"
}

@test "none silences everything, unusable settings and explanations included" {
    run -0 --separate-stderr with SAFECLOSE_LOG=none SAFECLOSE_PORTS=no SAFECLOSE_FORMAT=json \
        "$speaker" unread
    same '' "$stderr"
}

# ---- SAFECLOSE_FORMAT ------------------------------------------------------------------------

@test "FORMAT refuses what is neither text nor json" {
    refuses FORMAT 'text or json' 'text, json for a file' '' JSON xml 'json '
}

@test "FORMAT=json writes JSON to stderr, and nothing else in mode log" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_FORMAT=json "$speaker" unread:2
    echo "$stderr" >"$BATS_TEST_TMPDIR/log"
    json "$BATS_TEST_TMPDIR/log" 'assert [e["event"] for e in events] == [
        "start", "close", "close", "summary"]'
}

@test "FORMAT=text writes text to a file, each line with its date" {
    before=$(date -u +%F)
    with SAFECLOSE_MODE=log SAFECLOSE_FORMAT=text SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" \
        "$speaker" unread
    same 3 "$(grep -cE "^safeclose: ($before|$(date -u +%F))T[0-9:]{8}\.[0-9]{6}Z speaker" "$BATS_TEST_TMPDIR/log")"
    same "safeclose: TIME speaker[PID]: watching closes; mode log changes nothing
$reset_line
safeclose: TIME speaker[PID]: 2 TCP closes: 1 RST, 0 unknown; see safeclose report" \
        "$(sed -E 's/^(safeclose: )[0-9-]+T([0-9:.]{12})[0-9]{3}Z/\1\2Z/' "$BATS_TEST_TMPDIR/log" | undated)"
}

@test "without FORMAT, or with an unusable one, a file holds JSON and stderr text" {
    for format in '' SAFECLOSE_FORMAT=yaml; do
        rm -f "$BATS_TEST_TMPDIR/log"
        # shellcheck disable=SC2086 # none or one
        with SAFECLOSE_MODE=log SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" $format "$speaker" unread
        json "$BATS_TEST_TMPDIR/log" 'assert len(closes) == 1'
        # shellcheck disable=SC2086 # none or one
        run -0 --separate-stderr with SAFECLOSE_MODE=log $format "$speaker" unread
        same "$reset_line" "$(undated <<<"$stderr" | grep -F RST\ [)"
    done
}

@test "FORMAT=json stays JSON when the file can't be opened, a file's default does not" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_LOG=/nowhere/log \
        SAFECLOSE_FORMAT=json "$speaker" unread
    matches '"event":"close"' "$stderr"
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_LOG=/nowhere/log "$speaker" unread
    matches 'RST \[unread-data\]' "$stderr"
    if [[ $stderr == *'"event"'* ]]; then false; fi
}

# ---- SAFECLOSE_INHERITED ---------------------------------------------------------------------

@test "INHERITED refuses what is neither unknown nor sole" {
    refuses INHERITED 'unknown or sole' unknown '' SOLE none unknown,sole
}

# ---- SAFECLOSE_EVENTS ------------------------------------------------------------------------

@test "EVENTS refuses what is neither resets nor all" {
    refuses EVENTS 'resets or all' resets '' ALL none resets,all
}

@test "EVENTS=all reports closes that do not reset" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_EVENTS=all "$speaker" clean unread
    same "safeclose: TIME speaker[PID]: close(FD) 127.0.0.1:PORT->127.0.0.1:PORT: FIN [none] 0 unacked
$reset_line" "$(undated <<<"$stderr" | grep -F 'close(FD)')"
}

@test "EVENTS=resets, the default, and an unusable EVENTS report resets alone" {
    for events in resets no; do
        run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_EVENTS=$events \
            "$speaker" clean unread
        same "$reset_line" "$(undated <<<"$stderr" | grep -F 'close(FD)')"
    done
}

# ---- SAFECLOSE_PORTS -------------------------------------------------------------------------

ports_allowed='ports and ranges of 1 to 65535, such as 80,8000-8099, at most 64'

# port_list COUNT LAST: so many ports, of which the last is LAST.
port_list()
{
    local i
    for ((i = 1; i < $1; i++)); do
        printf '%d,' "$i"
    done
    echo "$2"
}

@test "PORTS takes ports and ranges, borders included" {
    takes PORTS 1 65535 1-65535 80,8000-8099 80,80,80 7-7 007 "$(port_list 64 64)"
}

@test "PORTS refuses 0, 65536, ranges that run backwards, blanks and loose commas" {
    refuses PORTS "$ports_allowed" all '' 0 65536 99999999999999999999 80-70 0-80 80-65536 80, ,80 \
        80,,81 , - 80- -80 80-90-100 ' 80' '80 ' '80, 81' +80 -1 0x50 http all '*'
}

@test "PORTS takes 64 ranges and uses the last of them" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_PORTS="$(port_list 64 7100)" \
        "$speaker" port:7100 unread
    same 1 "$(grep -cF 'RST [' <<<"$stderr")"
}

@test "PORTS refuses 65 ranges" {
    list=$(port_list 65 65)
    run -0 --separate-stderr with SAFECLOSE_PORTS="$list" "$speaker" unread
    same "safeclose: TIME speaker[PID]: SAFECLOSE_PORTS=\"${list:0:64}\": must be $ports_allowed; using the default (all)" \
        "$(complaints <<<"$stderr" | undated)"
}

@test "after an unusable PORTS every port is covered" {
    same 0 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_PORTS=7100,x "$speaker" port:7101 unread)"
}

@test "a close on a port inside PORTS is acted on and reported" {
    for ports in 7100 7000-7200 80,7100 7100-7100; do
        run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_PORTS=$ports \
            "$speaker" port:7100 unread
        same 0 "$output"
        matches '5 bytes drained; would have been RST' "$stderr"
    done
}

@test "a close on a port outside PORTS is neither acted on nor reported nor counted" {
    for ports in 7101 7099 1-7099,7101-65535; do
        run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_PORTS=$ports \
            "$speaker" port:7100 unread
        same 1 "$output"
        same 'safeclose: TIME speaker[PID]: watching closes; mode drain
safeclose: TIME speaker[PID]: 0 TCP closes: 0 RST, 0 unknown' "$(undated <<<"$stderr")"
    done
}

@test "a connection that the program opened is covered by its peer's port" {
    run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_PORTS=7100 \
        "$speaker" port:7100 opened
    same 0 "$output"
    matches '127.0.0.1:7100: FIN \[unread-data\] 5 bytes drained' "$stderr"
}

@test "a connection that the program opened is not covered by its own port" {
    run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_PORTS=1-7099,7101-65535 \
        "$speaker" port:7100 opened
    same 1 "$output"
    same '' "$(grep -F '[unread-data]' <<<"$stderr")"
}

@test "a connection that the program accepted is not covered by its peer's port" {
    run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_PORTS=1-7099,7101-65535 \
        "$speaker" port:7100 unread
    same 1 "$output"
    same '' "$(grep -F '[unread-data]' <<<"$stderr")"
}

@test "a listening socket with clients waiting is covered by its port" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_PORTS=7100 \
        "$speaker" port:7100 pending:2
    matches 'RST \[pending-accepts\] to 2 clients' "$stderr"
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_PORTS=7101 \
        "$speaker" port:7100 pending:2
    same '' "$(grep -F '[pending-accepts]' <<<"$stderr")"
}

# ---- SAFECLOSE_PROGRAMS ----------------------------------------------------------------------

@test "PROGRAMS takes names" {
    takes PROGRAMS speaker a,speaker,b 'no such program'
}

@test "PROGRAMS refuses an empty name among its names" {
    refuses PROGRAMS 'names of programs, separated by commas' all '' , speaker, ,speaker a,,speaker
}

@test "after an unusable PROGRAMS every program is meant" {
    same 0 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_PROGRAMS=,nobody "$speaker" unread)"
}

@test "a program of another name is as if nothing were loaded, and creates no log" {
    for names in singer speake speaker2 Speaker ./speaker "$speaker"; do
        run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_PROGRAMS="$names" \
            SAFECLOSE_PORTS=no "$speaker" unread
        same 1 "$output"
        same '' "$stderr"
    done
    with SAFECLOSE_PROGRAMS=singer SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" "$speaker" unread
    [ ! -e "$BATS_TEST_TMPDIR/log" ]
}

@test "PROGRAMS names a program among others" {
    for names in speaker speaker,singer singer,speaker a,speaker,b; do
        same 0 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_PROGRAMS=$names "$speaker" unread)"
    done
}

# A symbolic link gives the process its name, and the executable keeps its own.
@test "PROGRAMS names a program by what ps shows, or by its executable's file name" {
    ln -s "$speaker" "$BATS_TEST_TMPDIR/singer"
    for names in singer speaker; do
        same 0 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_PROGRAMS=$names \
            "$BATS_TEST_TMPDIR/singer" unread)"
    done
}

@test "PROGRAMS names a long name in full, or as ps cuts it" {
    cp "$speaker" "$BATS_TEST_TMPDIR/a-speaker-of-long-names"
    for names in a-speaker-of-long-names a-speaker-of-lo; do
        same 0 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_PROGRAMS=$names \
            "$BATS_TEST_TMPDIR/a-speaker-of-long-names" unread)"
    done
    same 1 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_PROGRAMS=a-speaker-of-lon \
        "$BATS_TEST_TMPDIR/a-speaker-of-long-names" unread)"
}

# ---- SAFECLOSE_STACK, SAFECLOSE_PREVIEW ------------------------------------------------------

@test "STACK takes 0 to 32 frames, and refuses everything else" {
    takes STACK 0 1 32 032
    refuses STACK 'a number of frames, 0 to 32' '16 in log and warn, 0 otherwise' 33 -1 +1 '' ' 1' 1K \
        all 4294967297
}

@test "PREVIEW takes 0 to 256 bytes, and refuses everything else" {
    takes PREVIEW 0 1 256
    refuses PREVIEW 'a number of bytes, 0 to 256' 0 257 -1 '' 1K 0x10 18446744073709551617
}

@test "after an unusable STACK or PREVIEW its default is in force" {
    log=$BATS_TEST_TMPDIR/log
    with SAFECLOSE_STACK=x SAFECLOSE_LOG="$log" SAFECLOSE_MODE=log "$speaker" unread
    json "$log" 'e = events[1]; assert e["stack"] and not e["preview"], e'
    rm "$log"
    with SAFECLOSE_PREVIEW=257 SAFECLOSE_LOG="$log" SAFECLOSE_MODE=drain "$speaker" unread
    json "$log" 'e = events[1]; assert not e["stack"] and not e["preview"], e'
}

# ---- SAFECLOSE_DISCARD_MAX -------------------------------------------------------------------

# More than an ordinary user may have unread.
needs_a_megabyte()
{
    "$speaker" bytes:1048577 unread 3>&- || skip 'not root: no receive queue for a megabyte'
}

@test "DISCARD_MAX takes sizes up to 2^63-1, with and without K, M and G" {
    takes DISCARD_MAX 0 1 0G 64M 1K 1G 9223372036854775807 9007199254740991K 8796093022207M \
        8589934591G
}

@test "DISCARD_MAX refuses other units, fractions, signs and what overflows" {
    refuses DISCARD_MAX 'a size in bytes, or with K, M or G' 64M '' K 1k 1KB 1KK 1T 1.5M -1 +1 ' 1' \
        '1 ' 0x10 1e6 9223372036854775808 18446744073709551616 99999999999999999999999 \
        9007199254740992K 8796093022208M 8589934592G
}

@test "what is unread up to DISCARD_MAX is discarded, and nothing is reset" {
    needs_a_megabyte
    while read -r max bytes; do
        run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_FORMAT=json \
            SAFECLOSE_DISCARD_MAX="$max" "$speaker" bytes:"$bytes" unread
        same 0 "$output"
        matches "\"action\":\"drained\",\"outcome\":\"fin\",\"confirmed\":true,\"discarded\":$bytes,.*\"note\":\"\"" \
            "$stderr"
    done <<'END'
5 5
1K 1024
100K 102400
1M 1048576
1G 5
END
}

@test "one byte more than DISCARD_MAX: the kernel resets, and the note is bound" {
    needs_a_megabyte
    while read -r max bytes discarded; do
        run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_FORMAT=json \
            SAFECLOSE_DISCARD_MAX="$max" "$speaker" bytes:"$bytes" unread
        same 1 "$output"
        matches "\"action\":\"drained\",\"outcome\":\"rst\",\"confirmed\":true,\"discarded\":$discarded,.*\"note\":\"bound\"" \
            "$stderr"
    done <<'END'
4 5 4
1K 1025 1024
1M 1048577 1048576
END
}

@test "the peer of a close over DISCARD_MAX reads the reset, and the text says why" {
    run -0 --separate-stderr with SAFECLOSE_MODE=drain SAFECLOSE_DISCARD_MAX=4 \
        "$speaker" unread end
    same 'peer: 0 bytes, Connection reset by peer' "$output"
    matches 'RST \[unread-data\] 4 bytes drained, more were unread; SAFECLOSE_DISCARD_MAX was reached' \
        "$stderr"
}

@test "DISCARD_MAX=0 discards nothing" {
    run -0 --separate-stderr resets SAFECLOSE_MODE=drain SAFECLOSE_FORMAT=json \
        SAFECLOSE_DISCARD_MAX=0 "$speaker" unread
    same 1 "$output"
    matches '"outcome":"rst","confirmed":true,"discarded":0,.*"note":"bound"' "$stderr"
}

@test "after an unusable DISCARD_MAX a megabyte is discarded" {
    needs_a_megabyte
    same 0 "$(resets SAFECLOSE_MODE=drain SAFECLOSE_DISCARD_MAX=1T "$speaker" bytes:1048576 unread)"
}

# ---- SAFECLOSE_LINGER_IDLE, SAFECLOSE_LINGER_TIME, SAFECLOSE_EXIT_WAIT -------------------------
#
# What they do is among the tests of lingering.

good_durations=(0 0ms 0s 1ms 007s 500ms 5s 2m 24h 1440m 86400s 86400000ms)
bad_durations=('' 1 500 5000 ms s 5S 5sec 1.5s -1s +1s ' 1s' '1s ' '1 s' 0x1s 1e3ms 1d 25h 1441m 86401s
    86400001ms 99999999999999999999s 18446744073709551617s '1s,2s' 1s2ms never)

@test "LINGER_IDLE, LINGER_TIME and EXIT_WAIT take durations of up to a day" {
    local name
    for name in LINGER_IDLE LINGER_TIME EXIT_WAIT; do
        takes "$name" "${good_durations[@]}"
    done
}

@test "LINGER_IDLE refuses what has no unit, is no whole number or too long" {
    refuses LINGER_IDLE 'a duration of at most 24h with its unit, such as 500ms or 5s' 5s \
        "${bad_durations[@]}"
}

@test "LINGER_TIME refuses what has no unit, is no whole number or too long" {
    refuses LINGER_TIME 'a duration of at most 24h with its unit, such as 500ms or 30s' 30s \
        "${bad_durations[@]}"
}

@test "EXIT_WAIT refuses what has no unit, is no whole number or too long" {
    refuses EXIT_WAIT 'a duration of at most 24h with its unit, such as 500ms or 1s' 1s \
        "${bad_durations[@]}"
}

# how_it_ends SETTING=VALUE... STEP...: what ends the lingering of a connection whose peer does nothing more.
how_it_ends()
{
    rm -f "$BATS_TEST_TMPDIR/log"
    with SAFECLOSE_MODE=linger SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" env "$@"
    sed -nE 's/.*"event":"linger-end".*"ended_by":"([a-z-]+)".*/\1/p' "$BATS_TEST_TMPDIR/log"
}

@test "LINGER_IDLE, LINGER_TIME and the exit: the first ends it" {
    local stays=("$speaker" unread settle)
    same idle "$(how_it_ends SAFECLOSE_LINGER_IDLE=100ms SAFECLOSE_LINGER_TIME=1h "${stays[@]}")"
    same time "$(how_it_ends SAFECLOSE_LINGER_IDLE=1h SAFECLOSE_LINGER_TIME=100ms "${stays[@]}")"
    same exit "$(how_it_ends SAFECLOSE_LINGER_IDLE=1h SAFECLOSE_LINGER_TIME=1h "$speaker" unread)"
}

@test "after an unusable LINGER_IDLE or LINGER_TIME its default is in force" {
    same idle "$(how_it_ends SAFECLOSE_LINGER_IDLE=5 "$speaker" unread settle)"
    same idle "$(how_it_ends SAFECLOSE_LINGER_IDLE=100ms SAFECLOSE_LINGER_TIME=0.1s "$speaker" unread settle)"
}

# ---- SAFECLOSE_SUMMARY -----------------------------------------------------------------------

@test "SUMMARY takes durations of up to a day" {
    takes SUMMARY "${good_durations[@]}"
}

@test "SUMMARY refuses what has no unit, is no whole number or too long" {
    refuses SUMMARY 'a duration of at most 24h with its unit, such as 10m; 0: never' 10m "${bad_durations[@]}"
}

# so_far PAUSE SETTING=VALUE...: what is told of a program that closes twice, waits for PAUSE seconds, and closes again: the
# kind of each event, and of a summary whether the program goes on and how many closes it counts.
so_far()
{
    rm -f "$BATS_TEST_TMPDIR/log"
    begin with SAFECLOSE_MODE=log SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" "${@:2}" "$speaker" unread:2 wait unread
    hear waiting
    sleep "$1"
    go_on
    finish
    json "$BATS_TEST_TMPDIR/log" '
print(*("%s %d" % (e["so_far"], e["closes"]) if e["event"] == "summary" else e["event"] for e in events), sep=", ")'
}

@test "SUMMARY: what was counted so far is told at the first close after so long; 0 is never" {
    same 'start, close, close, True 2, close, False 4' "$(so_far 1.1 SAFECLOSE_SUMMARY=1s)"
    for setting in SAFECLOSE_SUMMARY=0 SAFECLOSE_SUMMARY=1h SAFECLOSE_SUMMARY=200 SAFECLOSE_EVENTS=resets; do
        same 'start, close, close, close, False 4' "$(so_far 0.3 "$setting" 2>/dev/null)"
    done
}

# ---- All of them -----------------------------------------------------------------------------

@test "an unknown name gets one line, which names all the settings there are" {
    names=$(sed -nE 's/^OPTION\([a-z_]+, "([A-Z_]+)".*/\1/p' "$top/shim/settings/options.def" | xargs)
    for unknown in SAFECLOSE_MODES SAFECLOSE_ SAFECLOSE_mode SAFECLOSE_MOD SAFECLOSE_LINGER; do
        run -0 --separate-stderr with "$unknown=1" "$speaker" unread
        same "safeclose: TIME speaker[PID]: $unknown is not a setting; after SAFECLOSE_ comes one of: $names" \
            "$(complaints <<<"$stderr" | undated)"
    done
}

@test "names that only resemble ours are nobody's mistake" {
    run -0 --separate-stderr with SAFECLOSED=1 LIBSAFECLOSE_X=1 safeclose_mode=off SAFECLOSE=1 \
        "$speaker" unread
    same '' "$(complaints <<<"$stderr")"
}

@test "a program that uses no TCP is told nothing of unusable settings" {
    run -0 --separate-stderr with SAFECLOSE_MODE=x SAFECLOSE_PORTS=x SAFECLOSE_X=1 "$speaker" say:hello
    same hello "$output"
    same '' "$stderr"
}

@test "a script's hundred children stay quiet, and its one that uses TCP speaks once" {
    # shellcheck disable=SC2016 # for the shell that runs it
    run -0 --separate-stderr with SAFECLOSE_MODE=x bash -c \
        'for ((i = 0; i < 100; i++)); do /bin/true; done; "$1" unread:3' - "$speaker"
    same 1 "$(complaints <<<"$stderr" | wc -l)"
}

@test "the children of a program that was told are not told again" {
    run -0 --separate-stderr with SAFECLOSE_PORTS=x "$speaker" unread children:3 unread
    same 1 "$(complaints <<<"$stderr" | wc -l)"
    same 4 "$(grep -cF 'RST [' <<<"$stderr")"
}

@test "what is unusable is said before the first event" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_PORTS=x "$speaker" unread
    matches 'SAFECLOSE_PORTS=' "$(head -n 1 <<<"$stderr")"
}

@test "with a JSON log it is said on stderr, and the log stays JSON" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_PORTS=x \
        SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" "$speaker" unread
    same 1 "$(complaints <<<"$stderr" | wc -l)"
    json "$BATS_TEST_TMPDIR/log" 'assert len(closes) == 1'
}

@test "with a text log it is said there" {
    run -0 --separate-stderr with SAFECLOSE_MODE=log SAFECLOSE_PORTS=x SAFECLOSE_FORMAT=text \
        SAFECLOSE_LOG="$BATS_TEST_TMPDIR/log" "$speaker" unread
    same '' "$stderr"
    same 1 "$(complaints <"$BATS_TEST_TMPDIR/log" | wc -l)"
}

@test "fifteen unusable settings get fifteen lines" {
    run -0 --separate-stderr with SAFECLOSE_MODE=x SAFECLOSE_LOG=% SAFECLOSE_FORMAT=x \
        SAFECLOSE_EVENTS=x SAFECLOSE_STACK=x SAFECLOSE_PREVIEW=x SAFECLOSE_PORTS=x \
        SAFECLOSE_PROGRAMS=, SAFECLOSE_DISCARD_MAX=x \
        SAFECLOSE_LINGER_IDLE=x SAFECLOSE_LINGER_TIME=x SAFECLOSE_EXIT_WAIT=x SAFECLOSE_SUMMARY=x SAFECLOSE_CONTROL= SAFECLOSE_INHERITED=x \
        "$speaker" unread
    for name in "${all_names[@]}"; do
        same 1 "$(complaints <<<"$stderr" | grep -c "SAFECLOSE_$name=\".*\": must be .*; using the default (.*)\$")"
    done
    same 15 "$(complaints <<<"$stderr" | wc -l)"
}

@test "fifteen unusable settings get fifteen whole lines, however odd their values are" {
    odd=$(printf '\001%.0s' {1..100})
    run -0 --separate-stderr with SAFECLOSE_MODE="$odd" SAFECLOSE_LOG="%$odd" \
        SAFECLOSE_FORMAT="$odd" SAFECLOSE_EVENTS="$odd" SAFECLOSE_PORTS="$odd" \
        SAFECLOSE_STACK="$odd" SAFECLOSE_PREVIEW="$odd" \
        SAFECLOSE_PROGRAMS=",$odd" SAFECLOSE_DISCARD_MAX="$odd" SAFECLOSE_LINGER_IDLE="$odd" \
        SAFECLOSE_LINGER_TIME="$odd" SAFECLOSE_EXIT_WAIT="$odd" SAFECLOSE_SUMMARY="$odd" \
        SAFECLOSE_INHERITED="$odd" SAFECLOSE_CONTROL="$(printf '\001%.0s' {1..4096})" "$speaker" unread
    for name in "${all_names[@]}"; do
        same 1 "$(grep -c "SAFECLOSE_$name=\".*\": must be .*; using the default (.*)\$" <<<"$stderr")"
    done
}

@test "the settings of a later version get a line each" {
    names=(COLOUR LOT_SIZE RATE)
    run -0 --separate-stderr with SAFECLOSE_COLOUR=1 SAFECLOSE_RATE=1 SAFECLOSE_LOT_SIZE=1 \
        "$speaker" unread
    for name in "${names[@]}"; do
        same 1 "$(grep -c "SAFECLOSE_$name is not a setting; after SAFECLOSE_ comes one of: .* CONTROL\$" <<<"$stderr")"
    done
}

@test "a value with a newline and terminal escapes forges no line and moves no cursor" {
    odd=",%"$'\e[2J\r\nsafeclose: forged\x7f\x9b'
    cd "$BATS_TEST_TMPDIR"
    echo "$odd" >"$odd" # the control file
    for name in "${all_names[@]}" ANY; do
        run -0 --separate-stderr with SAFECLOSE_MODE=log "SAFECLOSE_$name=$odd" "$speaker" unread
        same 0 "$(grep -c '^safeclose: forged' <<<"$stderr")"
        same 0 "$(tr -d '\n' <<<"$stderr" | grep -caP '[^\x20-\x7e]')"
        same 1 "$(complaints <<<"$stderr" | wc -l)"
    done
}

@test "a name with a newline and terminal escapes forges no line either" {
    run -0 --separate-stderr with 'SAFECLOSE_'$'\e[2J\nsafeclose: forged'=1 "$speaker" unread
    same 1 "$(complaints <<<"$stderr" | wc -l)"
    same 0 "$(grep -c '^safeclose: forged' <<<"$stderr")"
    same 0 "$(tr -d '\n' <<<"$stderr" | grep -caP '[^\x20-\x7e]')"
}

@test "quotes and backslashes in a value are shown as such" {
    run -0 --separate-stderr with SAFECLOSE_MODE='a"b\c' "$speaker" unread
    matches 'SAFECLOSE_MODE="a"b\\x5cc": must be' "$stderr"
}

@test "invalid UTF-8 is shown byte by byte" {
    run -0 --separate-stderr with SAFECLOSE_MODE=$'caf\xe9\xc3' "$speaker" unread
    matches 'SAFECLOSE_MODE="caf\\xe9\\xc3": must be' "$stderr"
}

@test "of a value of ten thousand bytes the line shows the beginning" {
    long=$(printf 'x%.0s' {1..10000})
    for name in "${all_names[@]}"; do
        [[ $name != LOG ]] || continue # its line is told among the tests of LOG
        value=$long
        [[ $name != PROGRAMS ]] || value=$long,
        run -0 --separate-stderr with SAFECLOSE_"$name=$value" "$speaker" unread
        same 1 "$(complaints <<<"$stderr" | grep -c "SAFECLOSE_$name=\"${long:0:64}\": must be .*; using the default (.*)\$")"
    done
}

@test "an unknown name of ten thousand bytes is cut too" {
    run -0 --separate-stderr with SAFECLOSE_"$(printf '%010000d' 0)"=1 "$speaker" unread
    same 1 "$(complaints <<<"$stderr" | wc -l)"
    complaints <<<"$stderr" | awk 'length > 600 { exit 1 }'
}

@test "unusable settings change neither the program's output nor its exit status" {
    run --separate-stderr with SAFECLOSE_MODE=x SAFECLOSE_LOG=/nowhere/log SAFECLOSE_X=1 \
        "$speaker" unread say:hello exit:7
    same 7 "$status"
    same hello "$output"
}
