#!/usr/bin/env bats
# Services as inetd starts them, by socat with the library in front of it and of what it starts. With
# "nofork" the program has the connection itself, as its numbers 0 and 1; otherwise socat keeps it, in
# a child of its own, and passes the bytes on. What an exec leaves to a program nobody there has seen
# being made, so who else holds it can't be proven, and it is never touched.

# Takes long.

load ../support/helper
load server_early

setup_file()
{
    seq -f 'line %g of what a client sends' 2000 >"$BATS_FILE_TMPDIR/input"
    sh "$BATS_TEST_DIRNAME/server_inetd.sh" \
        <"$BATS_FILE_TMPDIR/input" >"$BATS_FILE_TMPDIR/expected"
}

setup()
{
    socat=''
    service=$BATS_TEST_DIRNAME/server_inetd.sh
}

teardown()
{
    [[ -z $socat ]] || stop
}

# start MODE PROGRAM: socat, which starts PROGRAM for each connection.
start()
{
    local with=(env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" SAFECLOSE_LOG="$log")
    [[ $1 != none ]] || with=(env)
    rm -f "$log"
    "${with[@]}" socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" "EXEC:$2" \
        </dev/null >/dev/null 2>"$stderr" 3>&- &
    socat=$!
    wait_until listens "$port"
}

# socat ends like this without having failed.
stop()
{
    # One that a failed test has left stopped would not hear of its end.
    kill -CONT "$socat"
    kill "$socat"
    wait "$socat" || true
    socat=''
    wait_until has_ended socat
}

# serves MODE PROGRAM: 20 of 20 clients get every byte that the program wrote without a network.
serves()
{
    local i
    start "$@"
    for ((i = 0; i < 20; i++)); do
        timeout 60 socat -t 60 - "TCP:127.0.0.1:$port" \
            <"$BATS_FILE_TMPDIR/input" >"$BATS_TEST_TMPDIR/output" 3>&-
        cmp "$BATS_FILE_TMPDIR/expected" "$BATS_TEST_TMPDIR/output" || fail "stderr: $(<"$stderr")"
    done
    stop
    case $1 in
    none | off) [[ ! -e $log ]] || fail "mode $1 told: $(<"$log")" ;;
    esac
    [[ $1 == warn || ! -s $stderr ]] || fail "mode $1: stderr: $(<"$stderr")"
}

serves_in_every_mode()
{
    local mode
    for mode in none off log warn drain linger; do
        serves "$mode" "$1"
    done
}

# left_unread MODE PROGRAM: one client, whose request is in the receive queue before socat accepts it.
# Fills $unread, $client and what the client read as answered_early does.
left_unread()
{
    local from_client word resets_before aborted_before
    start "$@"
    resets_before=$(resets_from "$port")
    aborted_before=$(counter TCPAbortOnClose)
    kill -STOP "$socat"
    exec {from_client}< <(exec "$programs/server_client" "$port" 20000 3>&-)
    read -r word client <&"$from_client"
    same sent "$word"
    unread=$(unread_at "$port")
    ((unread > 20000))
    kill -CONT "$socat"
    read -r word answer_status <&"$from_client"
    read -r word answer <&"$from_client"
    read -r word end <&"$from_client"
    exec {from_client}<&-
    aborted=$(($(counter TCPAbortOnClose) - aborted_before))
    resets=$(($(resets_from "$port") - resets_before))
    stop
}

# No mode alone would have touched it, so the explanation must not say so.
advises_no_mode_alone()
{
    grep -q '^safeclose:   fix: ' "$stderr" || fail "nothing is explained: $(<"$stderr")"
    ! grep SAFECLOSE_MODE "$stderr" | grep -vq 'closed its own copy: SAFECLOSE_INHERITED=sole SAFECLOSE_MODE=linger$' ||
        fail "a mode is advised: $(<"$stderr")"
}

# resets_its_client PROGRAM: in no mode is it otherwise.
resets_its_client()
{
    local mode
    for mode in none off warn drain linger log; do
        left_unread "$mode" "$1"
        same 'ECONNRESET 1 1' "$end $aborted $resets"
        same "$2" "$answer_status"
        [[ $mode != drain && $mode != linger ]] || tells_of_program "$3" "$4" passed
        [[ $mode != warn ]] || advises_no_mode_alone
    done
    tells_of_program "$3" "$4" none
}

# tells_of_program COMM VIA ACTION: of the program's closes the log says that it can't say what they do.
tells_of_program()
{
    comm=$1 via=$2 action=$3 unread=$unread client=$client json "$log" '
import os
env = os.environ
mine = [e for e in closes if e["comm"] == env["comm"]]
assert mine, "nothing of %s: %s" % (env["comm"], closes)
for e in mine:
    told = [e[key] for key in ("via", "cause", "peer", "action", "outcome", "note")]
    assert told == [env["via"], "unread-data", env["client"], env["action"], "unknown",
                    "owner-unknown"], told
    assert 20000 <= e["unread"] <= int(env["unread"]) and e["discarded"] == 0, e
'
}

@test "inetd style, the program has the connection: 20 of 20 get every byte, in every mode" {
    serves_in_every_mode "$service,nofork"
}

@test "inetd style, socat has the connection: 20 of 20 get every byte, in every mode" {
    serves_in_every_mode "$service"
}

@test "inetd style, exit with the input unread: a reset in every mode, its outcome told as unknown" {
    resets_its_client /bin/true,nofork '' true exit
}

@test "inetd style, a shell that answers early: a reset in every mode, its outcome told as unknown" {
    cat >"$BATS_TEST_TMPDIR/refuse" <<'EOT'
#!/bin/sh
read -r request
printf 'HTTP/1.1 413 Content Too Large\r\n\r\n'
EOT
    chmod +x "$BATS_TEST_TMPDIR/refuse"
    resets_its_client "$BATS_TEST_TMPDIR/refuse,nofork" 'HTTP/1.1 413 Content Too Large' refuse _exit
}
