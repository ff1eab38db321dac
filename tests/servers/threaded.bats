#!/usr/bin/env bats
# Servers with several threads, beside a busy loop, that answer 10 or 40 clients at a time with 2 MB before
# they have read the 300 kB of the request. As is the kernel resets the connections for unread data. Under
# drain it resets none for that reason. Under linger every client gets every byte and EOF, even if it sends
# a third of its body late. The witnesses are what the clients read (crowd.c), and the kernel's count.

# Takes long.

load ../support/helper

port=8080

# For all tests of this file, so in its network namespace alone.
setup_file()
{
    ! [[ /proc/self/ns/net -ef /proc/1/ns/net ]] || fail 'run this file by tests/run: it sets tcp_rmem'
    javac -d "$BATS_FILE_TMPDIR" "$BATS_TEST_DIRNAME/../support/threaded_java.java" &
    g++ -std=c++17 -O1 -pthread -o "$BATS_FILE_TMPDIR/threaded_asio" "$BATS_TEST_DIRNAME/../support/threaded_asio.cpp"
    wait "$!"
}

# receive_buffer BYTES: what the sockets of servers begun from now on get.
receive_buffer()
{
    printf '4096 %s 6291456\n' "$1" >/proc/sys/net/ipv4/tcp_rmem
}

# Sets command=(): what to start.
threaded_java()
{
    command=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$BATS_FILE_TMPDIR" ThreadedJava "$port")
}

threaded_asio()
{
    command=("$BATS_FILE_TMPDIR/threaded_asio" "$port")
}

threaded_gunicorn()
{
    command=(gunicorn --worker-class gthread --threads 8 --bind "127.0.0.1:$port" --chdir "$BATS_TEST_DIRNAME"
        --worker-tmp-dir "$BATS_TEST_TMPDIR" field_wsgi:application)
}

teardown()
{
    end_started
}

# serves SERVER MODE: begins that server, and a busy loop. MODE "none" is the server alone.
serves()
{
    local command
    "threaded_$1"
    [[ $2 == none ]] || command=(env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$2" SAFECLOSE_LOG=none
        "${command[@]}")
    while :; do :; done 3>&- &
    started=("$!")
    "${command[@]}" </dev/null >"$BATS_TEST_TMPDIR/output" 2>&1 3>&- &
    started+=("$!")
    wait_until listens "$port"
}

# asked CONNECTIONS AT_A_TIME CROWD-OPTION...: has clients ask the server. Afterwards:
#   $whole     clients that got the whole answer, and EOF
#   $aborted   closes that the kernel answered with a reset for unread data
#   $resets    resets of any kind that the server sent
#   $said      the most frequent of the answers
asked()
{
    local aborted_before resets_before
    aborted_before=$(counter TCPAbortOnClose)
    resets_before=$(resets_from "$port")
    said=$("$programs/crowd" -n "$1" -c "$2" -b 300000 -r 32768 "${@:3}" 127.0.0.1 "$port")
    aborted=$(($(counter TCPAbortOnClose) - aborted_before))
    resets=$(($(resets_from "$port") - resets_before))
    whole=$(awk '/ end=eof / { sub("received=", "", $3); if ($3 > 2000000) n += $1 } END { print n + 0 }' <<<"$said")
    said=$(head -n 5 <<<"$said")
}

is_reset_as_is()
{
    receive_buffer 131072
    serves "$1" none
    asked 50 10
    ((aborted > 25)) || fail "of 50 connections $aborted are reset for unread data:" "$said"
}

# Data that arrives after the close resets whatever drain has done. So all is sent in one call, before there
# can be an answer, and the receive queue holds all of it.
is_drained()
{
    local ten
    receive_buffer 1048576
    serves "$1" drain
    asked 50 10
    ten="10 at a time: $aborted of 50 reset for unread data"
    asked 80 40
    same "10 at a time: 0 of 50 reset for unread data; 40 at a time: 0 of 80" \
        "$ten; 40 at a time: $aborted of 80" || fail "$said"
}

# A third of the body comes late.
lingers()
{
    local ten
    receive_buffer 131072
    serves "$1" linger
    asked 50 10 -e 200000 -l 20
    ten="10 at a time: $whole of 50 whole, $resets resets"
    asked 80 40 -e 200000 -l 20
    same "10 at a time: 50 of 50 whole, 0 resets; 40 at a time: 80 of 80 whole, 0 resets" \
        "$ten; 40 at a time: $whole of 80 whole, $resets resets" || fail "$said"
}

@test "Java HttpServer with a pool of threads: reset as is" { is_reset_as_is java; }
@test "Java HttpServer with a pool of threads: drain" { is_drained java; }
@test "Java HttpServer with a pool of threads: linger" { lingers java; }

@test "Asio, four threads run one io_context: reset as is" { is_reset_as_is asio; }
@test "Asio, four threads run one io_context: drain" { is_drained asio; }
@test "Asio, four threads run one io_context: linger" { lingers asio; }

@test "gunicorn, a worker with threads: reset as is" { is_reset_as_is gunicorn; }
@test "gunicorn, a worker with threads: drain" { is_drained gunicorn; }
@test "gunicorn, a worker with threads: linger" { lingers gunicorn; }
