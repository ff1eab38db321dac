#!/usr/bin/env bats
# OpenSSH's server: it forks for each connection and executes itself again, passes the connection
# through dup2, and separates privileges with a child under a seccomp filter. One byte drained or one
# system call too many, and nobody logs in.

load ../support/helper
load server_early

setup_file()
{
    awk '$3 < 65536 { exit 1 }' /proc/self/uid_map || skip 'sshd needs the user sshd: run as root'
    cd "$BATS_FILE_TMPDIR" || return
    ssh-keygen -q -t ed25519 -N '' -f host
    ssh-keygen -q -t ed25519 -N '' -f user
    # Root as this machine has it may have any shell, and a profile that prints something.
    sed "s,^root:.*,root:x:0:0:root:$PWD:/bin/sh," /etc/passwd >passwd
    head -c 100000 /dev/urandom >input
    cat >login <<'END'
#!/bin/sh
exec ssh -F none -p 2222 -i user -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null \
    -o KexAlgorithms=curve25519-sha256 -o LogLevel=ERROR root@127.0.0.1 'cat; echo "$SSH_CONNECTION" | cut -d " " -f 3-; echo said >&2; exit 3'
END
    chmod +x login
    cat input - >expected <<<'127.0.0.1 2222'
}

setup()
{
    cd "$BATS_FILE_TMPDIR" || return
    sshd=''
}

teardown()
{
    [[ -z $sshd ]] || stop
}

# Ends the sshd that start began.
stop()
{
    kill "$sshd"
    wait "$sshd" || true
    sshd=''
    wait_until has_ended sshd
}

# start MODE: sshd in a mount namespace, where it finds its directory in /run and that root.
start()
{
    local with=(env "LD_PRELOAD=$LIBSAFECLOSE" "SAFECLOSE_MODE=$1" "SAFECLOSE_LOG=$log")
    [[ $1 != none ]] || with=(env)
    # shellcheck disable=SC2016 # that shell's own
    unshare -m sh -c '
        mount -t tmpfs -o mode=755 none /run && mkdir /run/sshd && mount --bind passwd /etc/passwd &&
        exec "$@"' - "${with[@]}" /usr/sbin/sshd -D -e -f none -p 2222 -o ListenAddress=127.0.0.1 \
        -o "HostKey=$PWD/host" -o "AuthorizedKeysFile=$PWD/user.pub" -o StrictModes=no -o UsePAM=no \
        -o PermitRootLogin=prohibit-password -o PidFile=none -o MaxStartups=100 \
        </dev/null >"$stderr" 2>&1 3>&- &
    sshd=$!
    wait_until listens 2222
}

# log_in: does, and everything must come back as it was given.
log_in()
{
    local status=0
    timeout 60 ./login <input >output 2>said || status=$?
    cmp expected output || fail "status $status, said: $(<said)" "sshd: $(<"$stderr")"
    same said "$(<said)"
    same 3 "$status"
}

# logs_in MODE: 20 of 20.
logs_in()
{
    local i
    start "$1"
    grep -qF "$LIBSAFECLOSE" "/proc/$sshd/maps" || fail 'sshd runs without the library'
    for ((i = 0; i < 20; i++)); do
        log_in
    done
    stop
}

@test "sshd: it can be logged in to without the library" {
    start none
    log_in
}

@test "sshd: 20 of 20 log in, mode off, and nothing is told" {
    logs_in off
    [[ ! -e $log ]] || fail "$(<"$log")"
    same '' "$(grep safeclose "$stderr")"
}

@test "sshd: 20 of 20 log in, mode log, which tells whose the connection is" {
    logs_in log
    same '' "$(grep safeclose "$stderr")"
    json "$log" '
assert closes, "not one event of 20 logins"
for e in closes:
    assert e["comm"] == "sshd" and e["local"] == "127.0.0.1:2222" and e["action"] == "none", e
    assert e["note"] in ("shared", "held") and e["outcome"] == "none" and e["confirmed"], e
'
}

@test "sshd: 20 of 20 log in, mode warn" {
    logs_in warn
}

@test "sshd: 20 of 20 log in, mode drain, which drains none of them" {
    logs_in drain
    json "$log" '
assert closes, "not one event of 20 logins"
for e in closes:
    assert e["action"] == "passed" and e["note"] in ("shared", "owner-unknown"), e
'
}

@test "sshd: 20 of 20 log in, mode linger, which does nothing to what others hold" {
    logs_in linger
    json "$log" '
for e in closes:
    assert e["action"] == "passed" and e["note"] in ("shared", "owner-unknown"), e
'
}
