#!/usr/bin/env bats
# Node's cluster: by default its primary accepts, and passes each connection to a worker over a UNIX socket. Who
# else holds it can't be known then, so no mode touches it; the reset is told by who closes last, with what helps. With
# the scheduling policy "none" the workers accept by themselves. The witnesses are what the client read, and the
# kernel's counter.

load ../support/helper
load server_early

setup()
{
    primary=''
}

teardown()
{
    [[ -z $primary ]] || kill "$primary"
}

# asks_cluster MODE POLICY: one client of a cluster. Fills $came with what it read, and $aborted.
asks_cluster()
{
    local aborted_before
    rm -f "$log"
    env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" SAFECLOSE_LOG="$log" NODE_CLUSTER_SCHED_POLICY="$2" \
        node "$BATS_TEST_DIRNAME/field_node.js" cluster "$port" </dev/null >/dev/null 2>"$stderr" 3>&- &
    primary=$!
    wait_until listens "$port"
    aborted_before=$(counter TCPAbortOnClose)
    came=$("$programs/field_client" 127.0.0.1 "$port")
    aborted=$(($(counter TCPAbortOnClose) - aborted_before))
    kill "$primary"
    wait "$primary" || true
    primary=''
    wait_until has_ended node
}

# told ACTION NOTE: the reset, which the kernel has confirmed, once: by the worker, or by the primary where that closes
# its own descriptor last.
told()
{
    expected="$* True" json "$log" '
import os
told = ["%s %s %s" % (e["action"], e["note"], e["confirmed"])
        for e in closes if e["cause"] == "unread-data" and e["outcome"] == "rst"]
assert told == [os.environ["expected"]], closes'
}

@test "cluster, connections passed on: the reset is told, and explained with the policy that helps" {
    asks_cluster warn rr
    same 1 "$aborted"
    matches ' end=reset ' "$came"
    told none ''
    matches 'fix: .*NODE_CLUSTER_SCHED_POLICY=none\): SAFECLOSE_MODE=linger' "$(<"$stderr")"
    ! grep SAFECLOSE_MODE "$stderr" | grep -v NODE_CLUSTER_SCHED_POLICY || fail 'a mode alone is advised'
}

@test "cluster, connections passed on: linger leaves them alone, and says so" {
    asks_cluster linger rr
    same 1 "$aborted"
    matches ' end=reset ' "$came"
    told passed owner-unknown
}

@test "cluster, policy none: linger delivers everything" {
    asks_cluster linger none
    same 0 "$aborted"
    matches ' body=2000000 .* end=eof ' "$came"
}
