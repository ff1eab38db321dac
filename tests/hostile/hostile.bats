#!/usr/bin/env bats
# Peers that mean harm, a few hundred at a time, and honest clients beside them. hostile.py has the
# verdict: what it holds against the bounds is what /proc, the kernel and the peers say. How long anything
# takes is left to scripts/hostile; and on a busy machine an honest client may be silent for so long that it is
# evicted, so not all must be served where some are. As most of it is waiting, all begin at once.
#
# Runs alone: a peer that gets no CPU is as silent as one that means it.

load ../support/helper

# begins NAME OPTION... KIND:COUNT...: peers of which a slow one does something four times a second.
begins()
{
    local name=$1
    shift
    {
        local status=0
        timeout 100 /usr/bin/python3 "$BATS_TEST_DIRNAME/hostile.py" --no-clock --slowly 250 --alone 0.2 \
            --quick 1 --slow 4 "$@" || status=$?
        echo "status $status"
    } >"$BATS_FILE_TMPDIR/$name" 2>&1 3>&- &
}

ended()
{
    grep -q '^status' "$BATS_FILE_TMPDIR/$1"
}

ends_well()
{
    wait_until ended "$1"
    same 'status 0' "$(tail -n 1 "$BATS_FILE_TMPDIR/$1")" || fail "$(<"$BATS_FILE_TMPDIR/$1")"
}

setup_file()
{
    begins kinds --idle 2 --time 4 --bytes 200000 mute:50 drip:50 urgent:50 flood:20 crumbs:20 deaf:50 sip:30 \
        reset:50 vanish:50
    begins output --idle 2 --time 20 --rate 150 --fair 0.8 --evicts glutton:300
    begins room --idle 2 --time 20 --nofile 60 --rate 25 --fair 0.8 --evicts mute:125
    begins stopped --slow 0 --idle 2 --time 7 --stop 3 drip:200
}

@test "more threads that run than there are processors: connections linger all the same" {
    timeout 100 /usr/bin/python3 "$BATS_TEST_DIRNAME/hostile.py" --no-clock --alone 0.2 --quick 1 --slow 0 --idle 1 \
        --time 2 --threads 4 8 mute:100
}

@test "each kind of peer is ended by the bound that is meant for it, and honest clients are served" {
    ends_well kinds
}

@test "a slow reader is not evicted for those who read nothing of 256 MB" {
    # A sixteenth of it is for TCP before that is short (tcp_mem, which only the first namespace shows).
    (($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) > 7000000)) || skip "too little memory for TCP"
    ends_well output
}

@test "as many as RLIMIT_NOFILE allows: who still sends is not evicted for those who are silent" {
    ends_well room
}

@test "a server that is stopped for a while: what came meanwhile is not taken for silence" {
    ends_well stopped
}
