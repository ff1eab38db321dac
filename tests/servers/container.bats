#!/usr/bin/env bats
# The library in a container as Docker makes one by default: its seccomp profile, the capabilities that it leaves to root,
# and process ids of its own. All modes work there; what does not is said. Witnesses are the kernel's counter of resets and
# its list of sockets.

load ../support/helper

safeclose=$top/safeclose
log=$BATS_TEST_TMPDIR/log
kept=chown,dac_override,fsetid,fowner,mknod,net_raw,setgid,setuid,setfcap,setpcap,net_bind_service,sys_chroot,kill,audit_write

# contained COMMAND...
contained()
{
    unshare --pid --fork --kill-child --mount-proc \
        setpriv --bounding-set "-all,+${kept//,/,+}" --inh-caps=-all \
        "$programs/deploy_filter" docker "$@" 3>&-
}

# speaks MODE STEP...: in the container, with the library; how many resets the kernel counted is in $resets.
speaks()
{
    rm -f "$log"
    resets=$(SAFECLOSE_LOG=$log SAFECLOSE_FORMAT=json counted TCPAbortOnClose \
        contained env LD_PRELOAD="$LIBSAFECLOSE" SAFECLOSE_MODE="$1" "$speaker" "${@:2}")
}

@test "the container is one: what Docker refuses is refused" {
    run -1 contained unshare --user true
    matches 'Operation not permitted' "$output"
    run ! contained unshare --mount true
    run ! contained mount -t tmpfs none "$BATS_TEST_TMPDIR"
    run ! contained kill -0 $$
    same 1 "$(contained sh -c 'echo $$')"
    same 2 "$(contained sed -n 's/^Seccomp:[^0-9]*//p' /proc/self/status)"
    same 00000000a80425fb "$(contained sed -n 's/^CapEff:[^0-9]*//p' /proc/self/status)"
}

@test "log: each reset is told, and the kernel confirms it" {
    speaks log unread:5 zero-linger
    same 5 "$resets"
    asserts 'len(unread) == 5' 'len(closes) == 6' "all(e['outcome'] == 'rst' and e['confirmed'] for e in closes)" \
        "all(e['stack'] for e in unread)"
}

@test "drain: nothing is reset, and the kernel confirms it" {
    speaks drain unread:5
    same 0 "$resets"
    asserts "[(e['action'], e['outcome'], e['confirmed']) for e in unread] == [('drained', 'fin', True)] * 5"
}

@test "drain in a program with threads: nothing is reset" {
    speaks drain threads:4=5
    same 0 "$resets"
    asserts "{(e['action'], e['note']) for e in unread} == {('draining', '')}" 'len(unread) == len(ends) == 20' \
        "{e['outcome'] for e in ends} == {'fin'}"
}

@test "linger: nothing is reset, alone, with threads and in children" {
    local steps
    for steps in unread:5 threads:4=5 'children:4 unread:5'; do
        # shellcheck disable=SC2086 # steps are words
        speaks linger $steps
        same 0 "$resets"
        asserts "{(e['action'], e['note']) for e in unread} <= {('lingering', ''), ('drained', '')}" 'len(unread) >= 5' \
            "all(e['outcome'] == 'fin' for e in ends)"
    done
}

@test "another user, and a new root: nothing is reset" {
    chmod 777 "$BATS_TEST_TMPDIR"
    speaks linger user:65534 unread:5
    same 0 "$resets"
    asserts 'len(unread) == 5'
    speaks linger chroot:/ unread:5
    same 0 "$resets"
    asserts 'len(unread) == 5'
}

@test "safeclose run and check work there" {
    same "LD_PRELOAD=$LIBSAFECLOSE" "$(contained "$safeclose" run env | grep ^LD_PRELOAD)"
    run -0 contained "$safeclose" check "$speaker"
}

# The program is 1's child; check judges it from within.
@test "safeclose check of a process there says which modes work" {
    # shellcheck disable=SC2016 # for that shell
    run -0 contained sh -c 'LD_PRELOAD=$LIBSAFECLOSE SAFECLOSE_LOG=none "$1" keep shell:"$2 check \$PPID"' - "$speaker" "$safeclose"
    matches 'process 2 \(speaker\): covered' "$output"
    matches 'its seccomp filter comes from outside the program' "$output"
    matches 'modes: log, warn, drain and linger work$' "$output"
}
