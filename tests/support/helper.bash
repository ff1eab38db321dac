# shellcheck shell=bash
# What the bats files share: where things are, the library in front of a program, the kernel's
# counters, and a program that is stepped through a test. Load it with `load ../support/helper`.

bats_require_minimum_version 1.5.0

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
export LIBSAFECLOSE=${LIBSAFECLOSE:-$top/libsafeclose.so}
export programs=${BUILD:-$top/build}/tests
# Closes connections, and does between the closes what programs do (speaker.c).
speaker=$programs/speaker
export LC_ALL=C

# Settings of whoever runs the tests are none of the tests'.
unset "${!SAFECLOSE_@}"

# preloaded MODE COMMAND...: runs it with the library in front. Further settings stand before:
#   SAFECLOSE_LOG=$log preloaded drain "$programs/speaker" unread:3
preloaded()
{
    local mode=$1
    shift
    # bats talks through number 3; a program that is left behind would keep bats waiting.
    env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$mode" "$@" 3>&-
}

# counter NAME: TcpExt's NAME in /proc/net/netstat ("TCPAbortOnClose"), or Tcp's in /proc/net/snmp
# ("OutRsts"), of this network namespace, which is this file's own where tests/run runs it.
counter()
{
    awk -v name="$1" '
        ($1 == "TcpExt:" || $1 == "Tcp:") && !($1 in titles) { titles[$1] = $0; next }
        $1 in titles {
            n = split(titles[$1], title)
            for (i = 2; i <= n; i++)
                if (title[i] == name) { print $i; found = 1 }
        }
        END { exit !found }' /proc/net/netstat /proc/net/snmp
}

# counted NAME COMMAND...: prints by how much the kernel's counter rose while the command ran. What
# the command itself printed goes to stderr.
counted()
{
    local name=$1 before after
    shift
    before=$(counter "$name")
    "$@" >&2 || return
    after=$(counter "$name")
    echo $((after - before))
}

# resets_from PORT: how many resets were sent from this port of this network namespace since the first call. Not OutRsts where
# servers and clients are busy: on a loaded machine an acknowledgement may be late, even without a loss, and come to a client
# that has closed, which answers with a reset that no program has caused.
resets_from()
{
    local packets
    ! [[ /proc/self/ns/net -ef /proc/1/ns/net ]] || fail 'run this file by tests/run: it counts with nft'
    packets=$(nft list counter inet resets "from_$1" 2>/dev/null | awk '$1 == "packets" { print $2 }')
    [[ $packets ]] || nft -f - <<EOF
table inet resets {
    counter from_$1 { }
    chain out {
        type filter hook output priority 0
        tcp sport $1 tcp flags rst counter name from_$1
    }
}
EOF
    echo "${packets:-0}"
}

# untraced_by_bats COMMAND...: bats stops before every command of every function to note where it is, in
# case that one fails. In a loop over what a log says that takes longer than all the rest of a test.
untraced_by_bats()
{
    local -
    set +T
    "$@"
}

# fail TEXT...: ends the test as failed, and says why.
fail()
{
    printf '%s\n' "$@" >&2
    return 1
}

# same EXPECTED ACTUAL: fails and shows both unless they are equal.
same()
{
    [[ $1 == "$2" ]] || fail "expected: $1" "actual:   $2"
}

# matches PATTERN TEXT: fails and shows both unless the extended regular expression fits the text.
matches()
{
    [[ $2 =~ $1 ]] || fail "pattern: $1" "text:    $2"
}

# wait_until COMMAND...: until it succeeds, for at most a minute.
wait_until()
{
    local i
    for ((i = 0; i < 6000; i++)); do
        if "$@"; then return; fi
        sleep 0.01
    done
    fail "waited in vain for: $*"
}

# until_known LOG COMMAND...: runs a command that leaves the library's events in LOG. Who else holds a
# connection is looked for within a millisecond, which a busy machine may use up; the library then says
# that it does not know, and the command is repeated, five times at most. For tests in which nothing but
# that can make the answer unknown.
until_known()
{
    local attempt
    for attempt in 1 2 3 4 5; do
        "${@:2}"
        grep -qs '"note":"owner-unknown"\|another process or thread may hold it' "$1" || return 0
    done
}

# undated: standard input, a log in text, with what differs from run to run replaced by a word.
undated()
{
    sed -E 's/^safeclose: [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z (.*)\[[0-9]+\]: /safeclose: TIME \1[PID]: /
            s/^(safeclose: TIME [^:]*: close)\([0-9]+\)/\1(FD)/
            s/(127\.0\.0\.1|\[::1\]):[0-9]+/\1:PORT/g'
}

# begin COMMAND...: starts it in the background. What it prints is read with `hear`, `go_on` gives it
# a line to read, `finish` waits for its end. Redirect its stderr where begin is called.
begin()
{
    local pipes=$BATS_TEST_TMPDIR/begin.$RANDOM$RANDOM
    mkdir "$pipes"
    mkfifo "$pipes/to" "$pipes/from"
    exec {to_program}<>"$pipes/to"
    "$@" <"$pipes/to" >"$pipes/from" {to_program}>&- 3>&- &
    program=$!
    exec {from_program}<"$pipes/from"
}

# hear TEXT: reads a line that the begun program prints, which must be TEXT. Without TEXT any will
# do; either way it is in $heard.
hear()
{
    heard=''
    read -r -t 30 heard <&"$from_program" || fail "the program said nothing; expected: ${1-a line}"
    (($# == 0)) || same "$1" "$heard"
}

go_on()
{
    echo >&"$to_program"
}

# finish: waits for the end of the begun program. Its exit status is in $status, the rest of what it
# printed in $output.
finish()
{
    exec {to_program}>&-
    output=$(timeout 30 cat <&"$from_program") || fail "the program does not end: $output"
    exec {from_program}<&-
    status=0
    # shellcheck disable=SC2034 # for the test, as after bats' own run
    wait "$program" || status=$?
}

# json FILE STATEMENTS: runs Python statements on the events in FILE, each line of which must be one
# JSON object of at most 2048 bytes, no key twice. They are in `events`, those of each kind in
# `closes`, `starts`, `summaries` and `ends` (of lingering); `unread` are the closes with that cause.
json()
{
    python3 - "$@" <<'EOF'
import json, sys

def distinct(pairs):
    keys = [key for key, value in pairs]
    assert len(set(keys)) == len(keys), "a key twice: %s" % keys
    return dict(pairs)

events = []
for line in open(sys.argv[1], "rb").read().splitlines(True):
    try:
        assert line.endswith(b"\n") and len(line) <= 2048, "length, or no newline"
        events.append(json.loads(line.decode("utf-8"), object_pairs_hook=distinct))
    except Exception as error:
        sys.exit("no event: %r: %s" % (line, error))
closes, starts, summaries, ends = (
    [e for e in events if e["event"] == kind] for kind in ("close", "start", "summary", "linger-end"))
unread = [e for e in closes if e["cause"] == "unread-data"]
exec(sys.argv[2])
EOF
}

# asserts STATEMENT...: what is true of the events in $log, in Python as for json.
asserts()
{
    json "$log" "$(printf 'assert %s, events\n' "$@")"
}

# take_options ARG...: what begins with - goes to options=(), the rest to arguments=().
take_options()
{
    options=()
    while [[ $1 == -* ]]; do
        options+=("$1")
        shift
    done
    arguments=("$@")
}

# listens PORT: whether somebody does, told without being connected to.
listens()
{
    grep -qsE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6
}

# Ends the processes of started=(), those that have not ended by themselves.
end_started()
{
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || continue
        wait "$pid" || true
    done
}

# broken FILE OLD NEW: the library with every OLD in shim/FILE, which must be there, replaced by NEW, as sed does it. Not
# optimized as a whole: that would take several times as long.
broken()
{
    local copy=$BATS_TEST_TMPDIR/copy
    mkdir -p "$copy/build"
    cp -Rp "$top/Makefile" "$top/shim" "$copy"
    # What is built already need not be built again.
    cp -Rp "${BUILD:-$top/build}"/{shim,compiler} "$copy/build"
    sed -i "s/$2/$3/" "$copy/shim/$1"
    if cmp -s "$top/shim/$1" "$copy/shim/$1"; then
        fail "shim/$1 has no line with \"$2\": tell this test what it looks like now"
    fi
    make -s -j2 -C "$copy" build/plain/libsafeclose.so WERROR= >&2
    export LIBSAFECLOSE=$copy/build/plain/libsafeclose.so
}
