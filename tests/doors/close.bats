#!/usr/bin/env bats
# What close() does to a TCP connection in each state, in each mode, and what the library says of it.
# The witness is the other end of the connection, a process without the library (scene.c): what its
# read returned, what the kernel of their network namespace counted (TcpExt), and as root the reason
# that the kernel gave at its tracepoint tcp_send_reset. Bare is the same scene without the library.

load ../support/helper
load ../support/scene

# ---- How much is unread ----------------------------------------------------------------------------

@test "nothing unread: FIN in every mode" {
    SAFECLOSE_EVENTS=all never_changed 'program closes' "$end"
    resets_nobody
    tells_who
    tells cause none outcome fin state ESTABLISHED unread 0 unacked 0 unsent 0 action none note ''
}

@test "a close without a cause is an event only when all are asked for, and counted once" {
    scene log --program-connects 'program closes' "$end"
    same 0 "$closes"
    sums closes 1 causes.none 1
}

@test "1 unread byte: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    saw close '0 kept' number free
    tells_who
    tells cause unread-data outcome rst state ESTABLISHED unread 1 unacked 0 unsent 0 action none \
        discarded 0 note '' urgent false
}

@test "1 unread byte: FIN when drained" {
    scene drain 'peer sends 1' 'program closes' "$end"
    resets_nobody
    saw close '0 kept' number free
    tells_who
    tells cause unread-data outcome fin unread 1 action drained discarded 1 note ''
}

@test "1024 unread bytes: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    tells cause unread-data outcome rst unread 1024 action none
}

@test "1024 unread bytes: FIN when drained" {
    scene drain 'peer sends 1024' 'program closes' "$end"
    resets_nobody
    tells_who
    tells cause unread-data outcome fin unread 1024 action drained discarded 1024
}

@test "1 MB unread: a reset, which off, log and warn leave as it is" {
    unchanged --wide 'peer sends 1M' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells cause unread-data outcome rst unread 1048576 action none
}

@test "1 MB unread: FIN when drained" {
    scene drain --wide 'peer sends 1M' 'program closes' "$end"
    resets_nobody
    tells cause unread-data outcome fin unread 1048576 action drained discarded 1048576
}

# ---- Output that is still to be sent ---------------------------------------------------------------

# lost_what_it_says: the peer got what was written, but for what the event calls unacknowledged.
lost_what_it_says()
{
    same "${seen[written]}" "$((seen[peer_bytes] + told[unacked]))"
    same right "${seen[peer_data]}"
    ((told[unsent] > 1000000 && told[unsent] <= told[unacked])) ||
        fail "unsent ${told[unsent]}, unacked ${told[unacked]}"
}

@test "5 bytes unread behind megabytes of output: the reset loses as much as the event says" {
    scene log --narrow 'program fills' 'peer sends 5' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    tells cause unread-data outcome rst unread 5
    lost_what_it_says
}

@test "5 bytes unread behind megabytes of output: off and warn lose as much as bare" {
    local mode
    for mode in none off warn; do
        scene "$mode" --narrow 'program fills' 'peer sends 5' 'program closes' "$end"
        resets_for TCP_ABORT_ON_CLOSE on_close
        ((seen[written] - seen[peer_bytes] > 1000000)) || fail "$mode lost nothing"
    done
}

@test "5 bytes unread behind megabytes of output: drained, all of it arrives" {
    scene drain --narrow 'program fills' 'peer sends 5' 'program closes' "$end"
    resets_nobody
    saw peer_bytes "${seen[written]}" peer_data right
    tells_who
    tells cause unread-data outcome fin unread 5 action drained discarded 5
    ((told[unsent] > 1000000)) || fail "unsent ${told[unsent]}"
}

@test "output that the peer has acknowledged is none that the event calls unacknowledged" {
    scene log 'program writes 3000' 'peer reads 3000' 'peer sends 5' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells unread 5 unacked 0 unsent 0
}

# ---- The other states ------------------------------------------------------------------------------

@test "CLOSE_WAIT, nothing unread: FIN in every mode" {
    SAFECLOSE_EVENTS=all never_changed 'peer shuts down' 'program awaits CLOSE_WAIT' \
        'program closes' "$end"
    resets_nobody
    tells_who
    tells cause none outcome fin state CLOSE_WAIT unread 0
}

@test "CLOSE_WAIT, unread: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'peer shuts down' 'program awaits CLOSE_WAIT' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    tells cause unread-data outcome rst state CLOSE_WAIT unread 1024
}

@test "CLOSE_WAIT, unread: FIN when drained" {
    scene drain 'peer sends 1024' 'peer shuts down' 'program awaits CLOSE_WAIT' 'program closes' "$end"
    resets_nobody
    tells cause unread-data outcome fin state CLOSE_WAIT unread 1024 action drained discarded 1024
}

# Our FIN is on its way, and counts as one in SIOCOUTQ. A peer that has not heard it finds the reset out
# of sequence, and asks again (RFC 5961): two are sent.
@test "FIN_WAIT1, nothing unread: nothing more is sent in any mode" {
    SAFECLOSE_EVENTS=all never_changed 'peer ignores FIN' 'program shuts writing' \
        'program awaits FIN_WAIT1' 'program closes' 'peer hears again' "$end"
    resets_nobody
    tells cause none outcome none state FIN_WAIT1 unread 0 unacked 0 unsent 0
}

@test "FIN_WAIT1, unread: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'peer ignores FIN' 'program shuts writing' \
        'program awaits FIN_WAIT1' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close 2
    tells_who
    tells cause unread-data outcome rst state FIN_WAIT1 unread 1024 unacked 0 unsent 0
}

@test "FIN_WAIT1, unread: the FIN arrives when drained" {
    scene drain 'peer sends 1024' 'peer ignores FIN' 'program shuts writing' \
        'program awaits FIN_WAIT1' 'program closes' 'peer hears again' "$end"
    resets_nobody
    tells cause unread-data outcome none state FIN_WAIT1 unread 1024 action drained discarded 1024
}

@test "FIN_WAIT1 behind megabytes of output: drained, all of it and the FIN arrive" {
    scene drain --narrow 'program fills' 'program shuts writing' 'program awaits FIN_WAIT1' \
        'peer sends 5' 'program closes' "$end"
    resets_nobody
    saw peer_bytes "${seen[written]}" peer_data right
    tells cause unread-data outcome none state FIN_WAIT1 unread 5 action drained
}

@test "FIN_WAIT1 behind megabytes of output: the reset loses as much as the event says" {
    scene log --narrow 'program fills' 'program shuts writing' 'program awaits FIN_WAIT1' \
        'peer sends 5' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells cause unread-data outcome rst state FIN_WAIT1 unread 5
    lost_what_it_says
}

@test "FIN_WAIT2, nothing unread: nothing more is sent in any mode" {
    SAFECLOSE_EVENTS=all never_changed 'program shuts writing' 'program awaits FIN_WAIT2' \
        'program closes' "$end"
    resets_nobody
    tells cause none outcome none state FIN_WAIT2
}

# The peer has read our FIN: it sees the reset as a broken pipe.
@test "FIN_WAIT2, unread: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'program shuts writing' 'program awaits FIN_WAIT2' 'program closes' "$end"
    saw resets 1 on_close 1 peer_end EOF peer_pending EPIPE
    ! traced || saw reason TCP_ABORT_ON_CLOSE
    tells_who
    tells cause unread-data outcome rst state FIN_WAIT2 unread 1024
}

@test "FIN_WAIT2, unread: no reset when drained" {
    scene drain 'peer sends 1024' 'program shuts writing' 'program awaits FIN_WAIT2' 'program closes' "$end"
    resets_nobody
    tells cause unread-data outcome none state FIN_WAIT2 unread 1024 action drained discarded 1024
}

@test "CLOSING, unread: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'peer ignores FIN' 'program shuts writing' \
        'program awaits FIN_WAIT1' 'peer shuts down' 'program awaits CLOSING' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close 2
    tells_who
    tells cause unread-data outcome rst state CLOSING unread 1024 unacked 0 unsent 0
}

@test "CLOSING, unread: no reset when drained" {
    scene drain 'peer sends 1024' 'peer ignores FIN' 'program shuts writing' \
        'program awaits FIN_WAIT1' 'peer shuts down' 'program awaits CLOSING' 'program closes' \
        'peer hears again' "$end"
    resets_nobody
    tells cause unread-data outcome none state CLOSING unread 1024 action drained discarded 1024
}

@test "LAST_ACK, unread: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'peer shuts down' 'program awaits CLOSE_WAIT' 'peer ignores FIN' \
        'program shuts writing' 'program awaits LAST_ACK' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close 2
    tells_who
    tells cause unread-data outcome rst state LAST_ACK unread 1024 unacked 0 unsent 0
}

@test "LAST_ACK, unread: no reset when drained" {
    scene drain 'peer sends 1024' 'peer shuts down' 'program awaits CLOSE_WAIT' 'peer ignores FIN' \
        'program shuts writing' 'program awaits LAST_ACK' 'program closes' 'peer hears again' "$end"
    resets_nobody
    tells cause unread-data outcome none state LAST_ACK unread 1024 action drained discarded 1024
}

@test "both FINs acknowledged, unread: nothing is sent, and nothing drained" {
    SAFECLOSE_EVENTS=all never_changed 'peer sends 1024' 'peer shuts down' \
        'program awaits CLOSE_WAIT' 'program shuts writing' 'program awaits CLOSE' \
        'program closes' "$end"
    resets_nobody
    tells cause none outcome none state CLOSE unread 1024 action none discarded 0
}

@test "reset by the peer, unread: nothing is sent in any mode" {
    SAFECLOSE_EVENTS=all never_changed 'peer sends 1024' 'peer resets' 'program awaits CLOSE' \
        'program closes'
    saw resets 1 on_data 1 on_close 0
    tells cause none outcome none state CLOSE action none
}

@test "SYN_SENT: nothing is sent in any mode" {
    SAFECLOSE_EVENTS=all never_changed --alone 'peer listens' 'peer ignores who connects' \
        'program connects without waiting' 'program awaits SYN_SENT' 'program closes'
    saw resets 0
    tells cause none outcome none state SYN_SENT unread 0
}

@test "a refused connection is no reset, and no event but when all are asked for" {
    SAFECLOSE_EVENTS=resets never_changed --alone 'peer listens' 'peer stops listening' \
        'program connects without waiting' 'program awaits CLOSE' 'program closes'
    same 0 "$closes"
}

@test "a TCP socket that was never connected: no event, and nothing counted" {
    SAFECLOSE_EVENTS=all never_changed --alone 'program makes a socket' 'program closes'
    same 0 "$closes"
    same 0 "$summaries"
}

@test "unread data after SHUT_RD: a reset, which off, log and warn leave as it is" {
    unchanged 'peer sends 1024' 'program shuts reading' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells cause unread-data outcome rst unread 1024
}

@test "unread data after SHUT_RD: FIN when drained" {
    scene drain 'peer sends 1024' 'program shuts reading' 'program closes' "$end"
    resets_nobody
    tells cause unread-data outcome fin action drained discarded 1024
}

@test "shut down for reading: the advice is to leave that out, and no mode" {
    SAFECLOSE_LOG=stderr scene warn 'peer sends 1024' 'program shuts reading' 'program closes' "$end"
    matches $'unread, 0 unacked; shut down for reading\n' "$(<"$stderr")"
    matches 'fix: leave out the SHUT_RD half: shutdown\(fd, SHUT_WR\)' "$(<"$stderr")"
    ! grep -q SAFECLOSE_MODE "$stderr" || fail "a mode is advised: $(<"$stderr")"
}

@test "a connection that the program opened: a reset, which off, log and warn leave as it is" {
    unchanged --program-connects 'peer sends 1024' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    tells cause unread-data outcome rst unread 1024
}

@test "a connection that the program opened: FIN when drained" {
    scene drain --program-connects 'peer sends 1024' 'program closes' "$end"
    was_drained
}

@test "a connection that the program opened without waiting: FIN when drained" {
    scene drain --alone 'peer listens' 'program connects without waiting' 'peer accepts' \
        'peer sends 1024' 'program closes' "$end"
    was_drained
}

# ---- Addresses -------------------------------------------------------------------------------------

@test "IPv6: a reset, which off, log and warn leave as it is" {
    unchanged --family ipv6 'peer sends 1024' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    matches '^\[::1\]:[0-9]+$' "${told[local]}"
    tells cause unread-data outcome rst unread 1024
}

@test "IPv6: FIN when drained" {
    scene drain --family ipv6 'peer sends 1024' 'program closes' "$end"
    was_drained
}

@test "IPv4 on an IPv6 socket: a reset, told with IPv4 addresses" {
    unchanged --family mapped 'peer sends 1024' 'program closes' "$end"
    resets_for TCP_ABORT_ON_CLOSE on_close
    tells_who
    matches '^127\.0\.0\.1:[0-9]+$' "${told[local]}"
    tells cause unread-data outcome rst unread 1024
}

@test "IPv4 on an IPv6 socket: FIN when drained" {
    scene drain --family mapped 'peer sends 1024' 'program closes' "$end"
    was_drained
}

@test "IPv6 and IPv4 on an IPv6 socket, opened by the program: FIN when drained" {
    local family
    for family in ipv6 mapped; do
        scene drain --family "$family" --program-connects 'peer sends 1024' 'program closes' "$end"
        was_drained
    done
}
