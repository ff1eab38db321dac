#!/usr/bin/env bats
# safeclose report: what it adds up is what jq adds up on the same log, and what the programs did; what it can't read it
# says. How it looks is in report_forms.bats, and logs of real servers in report_servers.bats.

load ../support/helper
load report

# agrees EXPRESSION OF-REPORT OF-LOG: what jq finds in the report, and in all events of the log.
agrees()
{
    same "$(jq -cs "$2" log)" "$(jq -c "$1" report.json)"
}

# refused STATUS PATTERN ARGUMENT...: one sentence on stderr, nothing on stdout.
refused()
{
    local wanted=$1 pattern=$2
    shift 2
    run -"$wanted" --separate-stderr "$safeclose" report "$@"
    same '' "$output"
    same 1 "${#stderr_lines[@]}"
    matches "^safeclose: unable to $pattern\$" "$stderr"
}

closes='[.[] | select(.event == "close" and .cause != "none")]'

# ---- numbers ---------------------------------------------------------------------------------

@test "totals are what jq adds up" {
    makes mixed 3000
    report --json log >report.json
    agrees .totals.closes "$closes | length"
    agrees .totals.resets "$closes | map(select(.outcome == \"rst\")) | length"
    agrees .totals.unknown "$closes | map(select(.outcome == \"unknown\")) | length"
    agrees .totals.held "$closes | map(select(.outcome == \"none\")) | length"
    agrees .totals.unconfirmed "$closes | map(select(.outcome == \"rst\" and (.confirmed | not))) | length"
    agrees .totals.lost_at_most "$closes | map(select(.outcome == \"rst\") | .unacked) | add"
    agrees .totals.lost_at_least "$closes | map(select(.outcome == \"rst\") | .unsent) | add"
    agrees .summaries.suppressed 'map(select(.event == "summary") | .suppressed) | add'
    agrees .input.events length
}

@test "groups are what jq groups, the worst first, by each of the criteria" {
    makes mixed 3000
    lost='map(select(.outcome == "rst") | .unacked) | add // 0'
    for row in 'site|.comm + .cause + (.stack | tostring)' 'cause|.cause' 'peer|.peer | sub(":[0-9]*$"; "")' \
        'port|.local' 'process|.pid'; do
        report --by "${row%%|*}" --top 0 --json log >report.json
        agrees '.groups | map([.lost_at_most, .resets, .closes])' "$closes | group_by(${row#*|}) |
            map([($lost), (map(select(.outcome == \"rst\")) | length), length]) | sort | reverse"
    done
}

@test "medians, largest values and counts of a group are those of jq" {
    makes mixed 1500
    report --json --cause unread-data --by cause log >report.json
    group='[.[] | select(.cause == "unread-data")]'
    for key in unread unacked unsent; do
        agrees ".groups[0].$key.median" "$group | map(.$key) | sort | .[(length - 1) / 2 | floor]"
        agrees ".groups[0].$key.largest" "$group | map(.$key) | max"
    done
    agrees '.groups[0].via | to_entries | sort' "$group | group_by(.via) | map({key: .[0].via, value: length}) | sort"
    agrees '.groups[0].peers | to_entries | sort' \
        "$group | group_by(.peer | sub(\":[0-9]*\$\"; \"\")) |
            map({key: (.[0].peer | sub(\":[0-9]*\$\"; \"\")), value: length}) | sort"
}

@test "filters leave out what jq leaves out" {
    makes mixed 2000
    # shellcheck disable=SC2089 # no option has a quote
    for row in '--pid 11|.pid == 11' '--ports 80|.local == "127.0.0.1:80"' '--cause zero-linger|.cause == "zero-linger"' \
        '--since 2026-11-29T09:10|.time >= "2026-11-29T09:10"' '--until 2026-11-29T09:10|.time < "2026-11-29T09:10"' \
        '--program server|true' '--program other|false' '--ports 40000-40100|(.peer | sub(".*:"; "") | tonumber) <= 40100'; do
        # shellcheck disable=SC2086,SC2090 # an option and its value
        report --json ${row%%|*} log >report.json
        agrees .totals.closes "$closes | map(select(${row#*|})) | length"
    done
}

@test "the end of a connection that lingered or was held counts where it was closed" {
    makes lingering
    report --json log >report.json
    same '[3,2,2,1,37,17,0]' "$(jq -c '.totals | [.closes, .resets, .later, .mended, .lost_at_most, .lost_at_least, .held]' \
        report.json)"
    same 1 "$(jq '.groups | length' report.json)"
    same '{"time":1,"peer-fin":1}' "$(jq -c '.groups[0].ended_by | {time, "peer-fin"}' report.json)"
    same '{"median":40,"largest":30000}' "$(jq -c '.groups[0].linger_ms' report.json)"
}

@test "an end that watch has told before takes back that its close was mended, and is no second reset" {
    makes watched_ends
    report --json log >report.json
    same '[4,2,0,60,0,0]' "$(jq -c '.totals | [.closes, .resets, .later, .lost_at_most, .mended, .held]' report.json)"
    same '{"time":1}' "$(report --by port --json log | jq -c '.groups[0].ended_by')"
}

@test "what drain and linger mended and left alone is what the kernel did not reset, and did" {
    "$safeclose" run -m drain --events=all -o log "$programs/speaker" unread:3 shared
    report --json log >report.json
    agrees .totals.mended "$closes | map(select(.action == \"drained\" and .outcome != \"rst\")) | length"
    agrees .totals.left_alone "$closes | map(select(.action == \"passed\")) | length"
    jq -e '.totals.mended >= 3 and .totals.left_alone >= 1' report.json
    matches 'mended by drain or linger' "$(report log | tr -s '\n ' ' ')"
}

@test "several logs, a rotated one and standard input make one report" {
    makes mixed 1000
    report --json log >whole.json
    split -n l/3 log part.
    report --json part.aa part.ab - <part.ac >report.json
    same "$(jq -c .totals whole.json)" "$(jq -c .totals report.json)"
    same "$(jq -c .groups whole.json)" "$(jq -c .groups report.json)"
    same 3 "$(jq .input.files report.json)"
}

@test "a summary so far is part of the one that follows, and the last one of a family that goes on counts" {
    {
        for closes in 10 25; do
            echo '{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"summary","pid":1,"comm":"a","closes":'$closes',"so_far":true}'
        done
        echo '{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"summary","pid":2,"comm":"a","closes":40,"so_far":false}'
        echo '{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"summary","pid":3,"comm":"b","closes":7,"so_far":true}'
    } >log
    same '[2,47]' "$(report --json log | jq -c '.summaries | [.families, .closes]')"
}

@test "a reset of watch counts as many as it stands for, and one that came in is none of ours" {
    makes watched
    report --json log >report.json
    same '[10,10,850,15,1]' "$(jq -c '.totals | [.resets, .closes, .lost_at_most, .lost_at_least, .unmeasured]' report.json)"
    same '{"received":4,"sampled":1,"unwritten":1,"lost":2}' "$(jq -c .watches report.json)"
    same '{"late-data":9,"unread-data":1}' "$(report --by port --json log | jq -c '.groups[0].causes')"
    same 10 "$(report --folded log | awk '{ n += $NF } END { print n }')"
    text=$(report log | tr -s '\n ' ' ')
    matches '4 resets that came in' "$text"
    matches 'looked at one in several' "$text"
    matches 'did not write: more than 100 a second' "$text"
}

@test "where watch could not ask, nobody says that no output was lost" {
    makes watched
    grep '"weight":1,' log | grep -v unacked >unasked
    run -0 report unasked
    matches '^1 reset, from 1 call site\. How much output was lost is unknown\.' "$output"
    matches '1 reset of which the log' "$output"
}

# ---- names ------------------------------------------------------------------------------------

@test "from a program's log to its guilty line in one command" {
    cat >guilty.c <<'END'
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
__attribute__((noinline)) void drop_client(int fd)
{
    usleep(1000);
    close(fd); /* the guilty line */
    __asm__ volatile("");
}
int main(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len) || connect(c, (void *)&a, len) ||
        write(c, "hello", 5) != 5)
        return 1;
    drop_client(accept(l, 0, 0));
    return 0;
}
END
    gcc -g -O1 -o guilty guilty.c
    "$safeclose" run -m log -o log ./guilty
    line=$(grep -n 'the guilty line' guilty.c | cut -d: -f1)
    run -0 report log
    matches "1\. drop_client guilty\.c:$line in guilty \[unread-data\]" "$output"
    matches 'what: +the program read nothing of what this client sent' "$output"
    matches 'fix: +shutdown\(fd, SHUT_WR\)' "$output"
    same "drop_client $line" "$(report --json log | jq -r '.groups[0].stack[0] | "\(.function) \(.line)"')"
    # Without addr2line the function is there still, and what is missing is told.
    mkdir empty
    PATH=$PWD/empty run -0 "$safeclose" report log
    matches '1\. drop_client in guilty' "$output"
    matches 'addr2line \(of binutils\) is not installed' "$(tr -s '\n ' ' ' <<<"$output")"
    # Stripped, there is a place and the reason why there is no name.
    strip guilty
    run -0 report log
    matches 'guilty\+0x' "$output"
    matches 'No names from .*guilty: it is stripped' "$(tr -s '\n ' ' ' <<<"$output")"
    # Another build at its place gives no names at all.
    gcc -g -O2 -DOTHER=1 -Wl,--build-id=0xabcdef -o guilty guilty.c
    run -0 report log
    matches "it is not the file that ran: build-id [0-9a-f]{12} in the log, abcdef" "$(tr -s '\n ' ' ' <<<"$output")"
    run ! grep -q drop_client <<<"$output"
    # What that build does from now on has names, and what the first did has none.
    "$safeclose" run -m log -o log ./guilty
    run -0 report log
    same 1 "$(grep -c '^[0-9]*\. drop_client guilty.c:[0-9]* in guilty' <<<"$output")"
    same 1 "$(grep -c '^[0-9]*\. guilty+0x' <<<"$output")"
    rm guilty
    run -0 report log
    matches 'No names from .*guilty: No such file' "$(tr -s '\n ' ' ' <<<"$output")"
}

@test "names of C++ are demangled" {
    cat >guilty.cc <<'END'
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
namespace net {
struct session {
    int fd;
    __attribute__((noinline)) void drop(int) { close(fd); __asm__ volatile(""); }
};
}
int main()
{
    sockaddr_in a = {};
    a.sin_family = AF_INET;
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(l, (sockaddr *)&a, len) || listen(l, 1) || getsockname(l, (sockaddr *)&a, &len) ||
        connect(c, (sockaddr *)&a, len) || write(c, "hello", 5) != 5)
        return 1;
    net::session s = {accept(l, 0, 0)};
    usleep(1000);
    s.drop(1);
}
END
    g++ -O1 -o guilty guilty.cc
    "$safeclose" run -m log -o log ./guilty
    matches '1\. net::session::drop in guilty' "$(report log)"
}

# ---- bad input ----------------------------------------------------------------------------------

@test "what can't be read or has no event is one sentence, and status 1" {
    refused 1 'report on "nowhere": No such file or directory' nowhere
    refused 1 'report on "\.": it is a directory' .
    : >empty
    refused 1 'report on "empty": it is empty' empty
    refused 1 'report on ".*/sleep": it is a binary file, not a log of safeclose' "$(type -P sleep)"
    echo hello >words
    refused 1 'report on "words": none of its lines is an event of safeclose' words
    makes mixed 10
    gzip -c log >log.gz
    refused 1 'report on "log.gz": it is compressed; unpack it, for example: zcat FILE \| safeclose report -' log.gz
    SAFECLOSE_LOG=text SAFECLOSE_FORMAT=text preloaded log "$programs/speaker" unread
    refused 1 'report on "text": it is a log in text, and report reads JSON, as "safeclose run -o FILE" writes it' text
    run -1 --separate-stderr "$safeclose" report </dev/null
    matches 'unable to report on "standard input": it is empty' "$stderr"
}

@test "the logs that can be read are reported on, although another can't" {
    makes mixed 10
    run -1 --separate-stderr "$safeclose" report nowhere log
    matches '^safeclose: unable to report on "nowhere"' "$stderr"
    matches 'resets? in 30 TCP closes' "$output"
    run -1 --separate-stderr "$safeclose" report log log
    matches 'it is named twice; counted once' "$stderr"
    matches 'resets? in 30 TCP closes' "$output"
}

@test "lines that are no events are counted and told" {
    makes broken
    report --json log >report.json
    same '[1,13,1]' "$(jq -c '[.input.events, .input.foreign, .totals.closes]' report.json)"
    matches '13 lines not understood' "$(report log)"
    # The last line has no end.
    head -c -20 log >part
        makes mixed 5
    cat part >>log
    same '[13,1]' "$(report --json log | jq -c '[.input.foreign, .input.torn]')"
    matches '1 last line without an end: still being written, or torn' "$(report log)"
}

@test "lines with a date and a name before the event are understood" {
    makes mixed 50
    report --json log | jq -c .totals >wanted
    sed 's/^/Nov 30 07:00:00 host server[42]: /' log | report --json - | jq -c .totals >got
    run -0 cmp wanted got
}

@test "a bad option is one sentence, and status 125" {
    makes mixed 5
    refused 125 'use --by "x": must be site, cause, port, peer, process or host' --by x log
    refused 125 'use --top "-1": must be a number up to 1000000; 0: all' --top -1 log
    refused 125 'use --ports "0": must be .*' --ports 0 log
    refused 125 'use --since "soon": must be a time in UTC .*' --since soon log
    refused 125 'use --error-exitcode "0": must be a number from 1 to 255' --error-exitcode 0 log
    refused 125 'use --weight "x": must be count or lost' --folded --weight x log
    refused 125 'use --weight: it belongs to --folded' --weight lost log
    refused 125 'write two forms of a report at a time: .*' --json --folded log
    refused 125 'report on no time at all: --since is not before --until' --since 09:00 --until 08:00 log
    refused 125 'understand --nonsense: no such option.*' --nonsense log
    refused 125 'use --by: it needs a value; .*' --by
}

# ---- an exit status for a test suite ----------------------------------------------------------------

@test "--error-exitcode is the status if there is a reset with such a cause, and names the worst" {
    "$safeclose" run -m log -o log "$programs/speaker" unread:3
    run -7 --separate-stderr "$safeclose" report --error-exitcode 7 log
    matches '^safeclose: 3 resets by unread-data,late-data; worst: .* in speaker \[unread-data\], 3; unknown: 0$' "$stderr"
    run -0 --separate-stderr "$safeclose" report --error-exitcode 7 --error-causes zero-linger log
    same '' "$stderr"
    "$safeclose" run -m drain -o mended "$programs/speaker" unread:3
    run -0 --separate-stderr "$safeclose" report --error-exitcode 7 mended
    same '' "$stderr"
}

@test "--error-exitcode fails, too, where the log lacks events that may be such a reset" {
    summary()
    {
        printf '{"v":1,"time":"2026-11-29T09:00:00.000000Z","event":"summary","pid":1,"comm":"a","closes":200,%s,%s,%s,"so_far":false}\n' \
            "$@" >log
    }
    causes='"causes":{"none":9,"unread-data":1,"zero-linger":190}'
    summary "$causes" '"outcomes":{"rst":191},"rst_later":0' '"suppressed":91,"lost":0'
    run -7 --separate-stderr "$safeclose" report --error-exitcode 7 log
    same 'safeclose: unable to rule out a reset by unread-data,late-data: 91 events not in the log (more than 100 a second, or it could not be written)' "$stderr"
    run -0 --separate-stderr "$safeclose" report log
    summary "$causes" '"outcomes":{"rst":0},"rst_later":1' '"suppressed":0,"lost":1'
    run -7 "$safeclose" report --error-exitcode 7 log
    makes watched
    run -7 --separate-stderr "$safeclose" report --error-exitcode 7 --error-causes zero-linger log
    matches 'rule out a reset by zero-linger: events not in the log' "$stderr"
    # Mended, of another cause, or all told.
    summary "$causes" '"outcomes":{"rst":0},"rst_later":0' '"suppressed":91,"lost":0'
    run -0 --separate-stderr "$safeclose" report --error-exitcode 7 log
    same '' "$stderr"
    summary '"causes":{"none":9,"zero-linger":191}' '"outcomes":{"rst":191},"rst_later":0' '"suppressed":91,"lost":0'
    run -0 "$safeclose" report --error-exitcode 7 log
    summary "$causes" '"outcomes":{"rst":191},"rst_later":0' '"suppressed":0,"lost":0'
    run -0 "$safeclose" report --error-exitcode 7 log
}

@test "the job of safeclose(1) fails when the server of a test resets its client" {
    sed -n '/^#!\/bin\/sh/,/^\.Ed/p' "${BUILD:-$top/build}/man/safeclose.1" | grep -v '^\.Ed' >job
    mkdir bin
    ln -s "$safeclose" bin/safeclose
    # An exec that keeps the job's own words: "./server", and a client.
    printf '#!/bin/sh\nexec "%s" unread wait\n' "$programs/speaker" >server
    printf 'while ! grep -q unread events.json; do sleep 0.01; done\n' >test-client
    chmod +x server
    matches '--error-exitcode' "$(<job)"
    PATH=$PWD/bin:$PATH run -3 --separate-stderr timeout 30 sh job
    matches 'worst: .* \[unread-data\]' "$stderr"
}
