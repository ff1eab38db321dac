#!/usr/bin/env bats
# Servers that fork, with keep-alive and bodies: not one byte different, nobody left behind.

load ../support/helper

# serves MODE KIND CONNECTIONS REQUESTS UNREAD: what the client says (owner_client.c).
serves()
{
    local mode=$1 library=$LIBSAFECLOSE
    [[ $mode != bare ]] || library=''
    LIBSAFECLOSE=$library SAFECLOSE_MODE=$mode SAFECLOSE_LOG=$BATS_TEST_TMPDIR/log \
        timeout 60 "$programs/owner_client" "$programs/owner_server" "${@:2}" 2>"$BATS_TEST_TMPDIR/$mode.ms" 3>&-
}

# as_bare KIND: 10,000 requests, all bytes read.
as_bare()
{
    local mode
    for mode in bare off log warn drain linger; do
        same $'10000 right, 0 wrong, 0 resets\nserver ended with 0' "$(serves "$mode" "$1" 500 20 0 || true)"
    done
    echo "# 10,000 requests, $1: $(<"$BATS_TEST_TMPDIR/bare.ms") ms bare, $(<"$BATS_TEST_TMPDIR/drain.ms") ms drain, $(<"$BATS_TEST_TMPDIR/linger.ms") ms linger" >&3
}

# saves KIND: 100 bytes that nobody reads behind each connection's last request. Each is drained or lingers, by
# whoever is last, also where a child ends while its parent closes. What comes between the drain of a child's end
# and its death is reset, one of thousands. What lingers when the server ends is let go once its answer has arrived.
saves()
{
    local mode said line=$'\n'
    for mode in drain linger; do
        rm -f "$BATS_TEST_TMPDIR/log"
        said=$(serves "$mode" "$1" 500 20 100 || true)
        [[ $said =~ ^10000\ right,\ 0\ wrong,\ ([0-9]+)\ resets"$line"server\ ended\ with\ 0$ ]] || fail "$said"
        json "$BATS_TEST_TMPDIR/log" "
done, ends = (summaries[-1][key] for key in ('actions', 'linger_ends'))
assert done['drained'] + done['lingering'] == 500, summaries
assert ${BASH_REMATCH[1]} <= ends['exit'] + 3, (${BASH_REMATCH[1]}, summaries)"
    done
}

@test "a server that forks for each connection: 10,000 requests as bare in every mode" {
    as_bare fork
}

@test "a server that forks for each connection: drained, and no connection is reset of which somebody knew" {
    saves fork
}

@test "a server with workers: 10,000 requests as bare in every mode" {
    as_bare prefork
}

@test "a server with workers: drained, and no connection is reset of which somebody knew" {
    saves prefork
}

# What another thread accepts while one forks is nobody's to judge, so a few of the resets remain.
@test "threads that accept, duplicate, fork and close at once: drained, not a byte is missed" {
    local unread mode
    for unread in 0 100; do
        for mode in drain linger; do
            matches '^10000 right, 0 wrong' "$(serves "$mode" mixed 2000 5 "$unread" || true)"
        done
    done
}
