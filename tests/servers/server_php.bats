#!/usr/bin/env bats
# A server in PHP that answers early, on PHP's own streams.

load ../support/helper
load server_early

# Without the machine's php.ini: what it loads is none of the test's.
serve=(php -n "$BATS_TEST_DIRNAME/server_php.php" "$port")

@test "PHP stream_socket_server, 20 kB unread: a reset that log explains and changes nothing of" {
    unchanged_and_told close 20000 "${serve[@]}"
}

@test "PHP stream_socket_server, 20 kB unread: the whole answer arrives under drain" {
    prevented close 20000 "${serve[@]}"
}

# PHP's own web server takes all of a request before it answers, so there is nothing to explain or to
# prevent. It ends by a signal, for which it has a handler.
serves_whole()
{
    local mode=$1 with=(env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" SAFECLOSE_LOG="$log")
    local resets_before
    [[ $mode != none ]] || with=(env)
    rm -f "$log"
    "${with[@]}" php -n -S "127.0.0.1:$port" "$BATS_TEST_TMPDIR/router.php" \
        </dev/null >/dev/null 2>"$stderr" 3>&- &
    php=$!
    wait_until listens "$port"
    resets_before=$(resets_from "$port")
    "$programs/server_client" "$port" 8000000 >"$BATS_TEST_TMPDIR/client"
    same "body $reply right"$'\n'"end EOF" "$(tail -n 2 "$BATS_TEST_TMPDIR/client")"
    same "$resets_before" "$(resets_from "$port")"
    kill -INT "$php"
    wait "$php" || true
    php=''
    [[ ! -e $log ]] || json "$log" 'assert not closes and len(summaries) == 1, events'
}

teardown()
{
    [[ -z ${php-} ]] || kill -KILL "$php"
}

@test "php -S, 8 MB read before it answers: no reset and no event, in every mode" {
    local mode
    cat >"$BATS_TEST_TMPDIR/router.php" <<'EOT'
<?php
http_response_code(413);
header('Connection: close');
echo str_repeat("safeclose\n", 100000);
EOT
    for mode in none off log warn drain; do
        serves_whole "$mode"
    done
}
