#!/usr/bin/env bats
# Servers that execute a program for each connection, under the library themselves: git daemon that refuses a push,
# and sshd whose client speaks no SSH. Who else holds the connection can't be known, so no mode touches it. What is
# told of it, and advised, is the same for both. The witnesses are what the client read, and the kernel's counter.

load ../support/helper
load server_early

setup()
{
    server=''
}

teardown()
{
    [[ -z $server ]] || kill "$server"
}

# asks MODE REQUEST COMMAND...: one client of the server. Fills $came with what it read, $aborted.
asks()
{
    local aborted_before
    env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" SAFECLOSE_LOG="$log" "${@:3}" \
        </dev/null >/dev/null 2>"$stderr" 3>&- &
    server=$!
    wait_until listens "$port"
    aborted_before=$(counter TCPAbortOnClose)
    came=$("$programs/field_client" -s "$2" 127.0.0.1 "$port")
    kill "$server"
    wait "$server" || true
    server=''
    wait_until has_ended "$program"
    aborted=$(($(counter TCPAbortOnClose) - aborted_before))
}

# is_told VIA ACTION: the close of what was executed. On a busy machine the program that executed it may close later.
is_told()
{
    expected="$1 unread-data $2 unknown owner-unknown" program=$program json "$log" '
import os
told = [" ".join(e[key] for key in ("via", "cause", "action", "outcome", "note"))
        for e in closes if e["comm"] == os.environ["program"]]
assert os.environ["expected"] in told, closes'
}

# resets_and_tells VIA REQUEST COMMAND...: in warn and in linger.
resets_and_tells()
{
    asks warn "${@:2}"
    same 1 "$aborted"
    matches ' end=reset ' "$came"
    is_told "$1" none
    matches 'if no other process holds the connection, the kernel resets it' "$(<"$stderr")"
    matches 'fix: .*closed its own copy: SAFECLOSE_INHERITED=sole SAFECLOSE_MODE=linger' "$(<"$stderr")"
    rm "$log"
    asks linger "${@:2}"
    same 1 "$aborted"
    matches ' end=reset ' "$came"
    is_told "$1" passed
}

@test "git daemon, a push that is refused: told, and explained with what helps" {
    program=git-daemon
    git init -q --bare "$BATS_TEST_TMPDIR/repositories/field.git"
    resets_and_tells exit '001fgit-receive-pack /field.git' \
        "$(git --exec-path)/git-daemon" --listen=127.0.0.1 --port="$port" --reuseaddr \
        --base-path="$BATS_TEST_TMPDIR/repositories" --export-all
}

@test "sshd, a client that speaks no SSH: told, and explained with what helps" {
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || skip 'sshd needs the user sshd: run as root'
    program=sshd
    ssh-keygen -q -t ed25519 -N '' -f "$BATS_TEST_TMPDIR/key"
    # shellcheck disable=SC2016 # that shell's own
    resets_and_tells _exit 'This is not SSH.\n' \
        unshare -m sh -c 'mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"' - \
        /usr/sbin/sshd -D -e -f none -p "$port" -o ListenAddress=127.0.0.1 -o UsePAM=no -o PidFile=none \
        -o "HostKey=$BATS_TEST_TMPDIR/key"
}
