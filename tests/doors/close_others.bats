#!/usr/bin/env bats
# close() on what is no TCP connection that could be judged: every mode leaves it as it is without the
# library, and tells nothing. The witness is the other end, where there is one, read by the program
# itself with calls that the library does not stand in front of (scene_others.c), and what the kernel
# counted.

load ../support/helper
load ../support/scene

untraced=yes

# ---- What can't be judged ---------------------------------------------------------------------------------

@test "MPTCP: told with an unknown outcome, and left alone in every mode" {
    never_changed --mptcp 'peer sends 1024' 'program closes' "$end"
    same 1 "$closes"
    tells cause unread-data proto mptcp outcome unknown note mptcp action none
    scene drain --mptcp 'peer sends 1024' 'program closes' "$end"
    tells cause unread-data proto mptcp outcome unknown note mptcp action passed discarded 0
}

# ---- What is no TCP connection ------------------------------------------------------------------------------

# untouched STEP...: the program's close and its other end are as bare in every mode; no event, and
# nothing counted.
untouched()
{
    SAFECLOSE_EVENTS=all never_changed --alone "$@"
    saw close '0 kept'
    same 0 "$closes"
    same 0 "$summaries"
}

@test "a UNIX stream socket with data unread is untouched" {
    untouched 'program closes a UNIX stream socket'
    saw other_end '3 '
}

@test "a UNIX datagram socket with data unread is untouched" {
    untouched 'program closes a UNIX datagram socket'
}

@test "a UNIX seqpacket socket with data unread is untouched" {
    untouched 'program closes a UNIX seqpacket socket'
}

@test "a UDP socket with data unread is untouched" {
    untouched 'program closes a UDP socket'
}

@test "a pipe with data unread is untouched, at either end" {
    untouched 'program closes a pipe'
    saw other_end '3 '
    untouched 'program closes a pipe to read'
}

@test "a file is untouched" {
    untouched 'program closes a file'
    untouched 'program closes a path'
}

@test "an eventfd, a timerfd, a signalfd and an inotify are untouched" {
    untouched 'program closes an eventfd'
    untouched 'program closes a timerfd'
    untouched 'program closes a signalfd'
    untouched 'program closes an inotify'
}

@test "a netlink socket whose protocol has TCP's number is untouched" {
    untouched 'program closes a TCP netlink socket'
}

@test "a raw socket for TCP is untouched" {
    [[ $EUID == 0 ]] || skip "needs root"
    untouched 'program closes a raw TCP socket'
}

@test "an epoll set that watches a connection with data unread is untouched, and so is the connection" {
    never_changed 'peer sends 1024' 'program closes an epoll set' 'program reads 1024' 'program closes' "$end"
    resets_nobody
    saw read '1024 0'
    same 0 "$closes"
}

