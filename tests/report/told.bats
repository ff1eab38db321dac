#!/usr/bin/env bats
# Servers with threads, beside a busy loop, that answer 10 or 40 clients at a time before they have read the
# request: the kernel resets each of these connections, and each reset is told, at its close or as soon as its last
# holder has let go, as the kernel's word. The truth is the kernel's count.

# Takes long.

load ../support/helper

port=8080
# A second has at most 100 events: so many bursts of as many clients that any second has at most 80.
bursts_a_second_of_10=4
bursts_a_second_of_40=1

setup_file()
{
    ! [[ /proc/self/ns/net -ef /proc/1/ns/net ]] || fail 'run this file by tests/run: it sets tcp_rmem'
    printf '4096 131072 6291456\n' >/proc/sys/net/ipv4/tcp_rmem
    javac -d "$BATS_FILE_TMPDIR" "$BATS_TEST_DIRNAME/../support/threaded_java.java" &
    g++ -std=c++17 -O1 -pthread -o "$BATS_FILE_TMPDIR/threaded_asio" "$BATS_TEST_DIRNAME/../support/threaded_asio.cpp"
    wait "$!"
}

setup()
{
    started=()
    log=$BATS_TEST_TMPDIR/log
    # For a server that becomes nobody.
    chmod a+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" "$BATS_TEST_TMPDIR"
}

teardown()
{
    end_started
}

# command_of SERVER: sets command=().
command_of()
{
    case $1 in
    java) command=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$BATS_FILE_TMPDIR" ThreadedJava "$port") ;;
    asio) command=("$BATS_FILE_TMPDIR/threaded_asio" "$port") ;;
    # With a small answer closes come as fast as they can.
    quick) command=("$programs/told_server" "$port" plain 20000) ;;
    spawning) command=("$programs/told_server" "$port" plain 200000 spawn) ;;
    quick-spawning) command=("$programs/told_server" "$port" plain 20000 spawn) ;;
    *) command=("$programs/told_server" "$port" "$1" 2000000) ;;
    esac
}

# serves SERVER MODE: begins that server, and a busy loop.
serves()
{
    local command
    command_of "$1"
    while :; do :; done 3>&- &
    started=("$!")
    env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$2" SAFECLOSE_LOG="$log" SAFECLOSE_FORMAT=json \
        SAFECLOSE_SUMMARY=100ms "${command[@]}" </dev/null >"$BATS_TEST_TMPDIR/output" \
        2>"$BATS_TEST_TMPDIR/errors" 3>&- &
    server=$!
    started+=("$server")
    wait_until listens "$port"
    clients=0
    resets_before=$(counter TCPAbortOnClose)
}

# asked CONNECTIONS AT_A_TIME
asked()
{
    "$programs/crowd" -n "$1" -c "$2" -b 300000 -r 32768 127.0.0.1 "$port" >>"$BATS_TEST_TMPDIR/read"
    clients=$((clients + $1))
}

# paced BURSTS AT_A_TIME: so many clients at once, again and again, with a time between one begin and the next.
paced()
{
    local i next a_second=bursts_a_second_of_$2
    for ((i = 0; i < $1; i++)); do
        sleep "$(awk -v n="${!a_second}" 'BEGIN { print 1 / n }')" 3>&- &
        next=$!
        asked "$2" "$2"
        wait "$next"
    done
}

says_calm()
{
    grep -qs calm "$BATS_TEST_TMPDIR/output"
}

# The summary so far covers so many closes.
summary_covers()
{
    local last
    last=$(grep '"event":"summary"' "$log" | tail -n 1)
    [[ $last =~ \"closes\":([0-9]+) ]] && ((BASH_REMATCH[1] >= $1))
}

# A close is told after it was done, so the client may know it first.
all_is_told()
{
    local last suppressed=0
    last=$(grep '"event":"summary"' "$log" | tail -n 1)
    [[ ! $last =~ \"suppressed\":([0-9]+) ]] || suppressed=${BASH_REMATCH[1]}
    (($(grep -c '"event":"close"' "$log") + suppressed >= clients))
}

# A few of them are asked about at a time.
held_are_told()
{
    (($(grep -c '"event":"close-end"' "$log") >= $(grep '"event":"close"' "$log" | grep -c '"outcome":"none"')))
}

# What is held is asked about again, and the summary so far is written, at a later close.
settled()
{
    local wanted=$clients i
    if [[ $1 == *spawning ]]; then
        kill -USR1 "$server"
        wait_until says_calm
    fi
    for ((i = 0; i < 50; i++)); do
        sleep 0.15
        asked 1 1
        ! summary_covers "$wanted" || ! held_are_told || break
    done
    # In vain where a line was lost.
    for ((i = 0; i < 40; i++)); do
        ! all_is_told || break
        sleep 0.05
    done
    kill "$server"
    wait "$server" || true
    resets=$(($(counter TCPAbortOnClose) - resets_before))
}

# The figures are shown where the test fails. FLAW lists what is not as it must be.
judged()
{
    local peers
    peers=$(awk '/ end=reset / { n += $1 } END { print n + 0 }' "$BATS_TEST_TMPDIR/read")
    json "$log" "
import collections
resets, clients, peers = $resets, $clients, $peers
at_once = [e for e in closes if e['outcome'] == 'rst']
later = [e for e in events if e['event'] == 'close-end']
ended = {e['cookie'] for e in later}
open_ends = [e for e in closes if e['outcome'] == 'none' and e['cookie'] not in ended]
twice = [c for c, n in collections.Counter(e['cookie'] for e in at_once + later).items() if n > 1]
unsure = [e for e in at_once + later if not e['confirmed']]
others = collections.Counter((e['event'], e['cause'], e['outcome'], e['note'], e['confirmed'])
    for e in closes if e['outcome'] not in ('rst', 'none'))
suppressed = summaries[-1]['suppressed'] if summaries else -1
lost = summaries[-1]['lost'] if summaries else -1
forgotten = summaries[-1]['forgotten'] if summaries else -1
told = len(at_once) + len(later)
figures = dict(clients=clients, kernel=resets, peers=peers, at_once=len(at_once), later=len(later),
    unsure=len(unsure), twice=len(twice), held_without_end=len(open_ends), others=dict(others),
    suppressed=suppressed, lost=lost, forgotten=forgotten)
print('# $1:', figures, file=sys.stderr)
$2
"
}

# Each reset is told, once, and is the kernel's word; nothing else is told.
each_is_told()
{
    serves "$1" "$2"
    paced 4 10
    paced 2 40
    settled "$1"
    judged "$1 $2 paced" '
assert suppressed == 0 and lost == 0 and forgotten == 0, figures
assert resets > clients / 2, figures
assert told == resets, figures
assert not unsure and not twice and not open_ends and not others, figures'
}

# As fast as they come.
all_are_counted()
{
    serves "$1" "$2"
    asked "$3" 10
    asked "$3" 40
    settled "$1"
    judged "$1 $2 at full speed" '
assert resets > clients / 2, figures
assert abs(told + suppressed - resets) <= resets / 100, figures
assert not unsure and not twice, figures
assert not [o for o in others if o[2] == "unknown"], figures'
}

@test "threads: log" { each_is_told plain log; }
@test "threads: warn" { each_is_told plain warn; }
@test "threads, become nobody: log" { each_is_told setuid log; }
@test "threads, become nobody: warn" { each_is_told setuid warn; }
@test "threads, in a chroot: log" { each_is_told chroot log; }
@test "threads, in a chroot: warn" { each_is_told chroot warn; }
@test "threads, one of which starts programs: log" { each_is_told spawning log; }
@test "threads, one of which starts programs: warn" { each_is_told spawning warn; }
@test "Java HttpServer with a pool of threads: log" { each_is_told java log; }
@test "Java HttpServer with a pool of threads: warn" { each_is_told java warn; }
@test "Asio, four threads run one io_context: log" { each_is_told asio log; }
@test "Asio, four threads run one io_context: warn" { each_is_told asio warn; }

@test "at full speed, threads: log" { all_are_counted quick log 1000; }
@test "at full speed, threads: warn" { all_are_counted quick warn 1000; }
@test "at full speed, threads, one of which starts programs: warn" { all_are_counted quick-spawning warn 1000; }
@test "at full speed, threads, become nobody: warn" { all_are_counted setuid warn 100; }
@test "at full speed, threads, in a chroot: log" { all_are_counted chroot log 100; }
@test "at full speed, Java: log" { all_are_counted java log 60; }
@test "at full speed, Asio: warn" { all_are_counted asio warn 60; }
