#!/usr/bin/env bats
# The lingering close of one connection: what the peer sends after the program's close is discarded, and
# what the program wrote is delivered, for as long as the settings say. Witnesses as in close.bats; a
# step "peer sends" is over when what was sent is acknowledged, which no orphan's late data ever is, and
# /proc/net/tcp shows the peer what became of the program's end. Exits wait for what lingers only where
# SAFECLOSE_EXIT_WAIT is set here (scene.bash).

# Takes long.

load ../support/helper
load ../support/scene

untraced=yes
late=('program closes' 'peer sends 4')
# The peer has all, then ends its side; the process waits for that.
bye=("$end" 'peer closes' 'program ends')

# all_delivered: nothing was reset, and the peer has what the program wrote.
all_delivered()
{
    resets_nobody
    saw peer_bytes "${seen[written]:-$1}" peer_data right
}

# parked CAUSE: the one close event says that it lingers, and so does the summary.
parked()
{
    tells_who
    tells cause "$1" action lingering outcome fin note '' discarded 0
    sums actions.lingering 1
}

# over ENDED_BY DISCARDED: the one end told is that of the close told.
over()
{
    same 1 "$ends"
    tells_end ended_by "$1" discarded "$2" cookie "${seen[cookie]}" local "${seen[ours]}" \
        peer "${seen[peer]}" pid "${seen[pid]}" tid "${seen[tid]}" fd "${seen[fd]}" via close \
        action lingering
    sums "linger_ends.$1" 1
}

# ---- Late data -------------------------------------------------------------------------------------

@test "late data after a clean close with output unacknowledged: all is delivered, nothing reset" {
    scene none --narrow 'program fills' 'program closes' 'peer sends late 4' "$end"
    saw resets 1 peer_end ECONNRESET
    ((seen[peer_bytes] < seen[written])) || fail "nothing was lost without the library"
    SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program fills' "${late[@]}" "${bye[@]}"
    all_delivered
    saw close '0 kept' number free exit 0
    same 0 "$closes"
    over peer-fin 4
    sums at_risk 0 actions.lingering 1
}

@test "late data after a clean close, all output acknowledged: nothing is reset" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'program writes 3000' 'peer reads 3000' "${late[@]}" \
        'peer sends 100000' "${bye[@]}"
    all_delivered 3000
    over peer-fin 100004
}

@test "unread data, then late data: discarded both, all delivered" {
    SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program fills' 'peer sends 1024' "${late[@]}" \
        "${bye[@]}"
    all_delivered
    saw close '0 kept' number free
    parked unread-data
    tells unread 1024
    over peer-fin 1028
    tells_end cause unread-data outcome fin
}

@test "the connection is held on until the peer ends its side, and then given up" {
    scene linger 'peer sends 5' 'program closes' 'peer sees who holds it' "$end"
    saw held yes
    scene linger 'peer sends 5' 'program closes' "$end" 'peer shuts down' 'peer awaits its being given up'
    resets_nobody
    over peer-fin 5
}

@test "nothing to discard: a clean close lingers, and is told only when all are asked for" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'program closes' "${bye[@]}"
    resets_nobody
    same '0 0' "$closes $ends"
    sums actions.lingering 1 linger_ends.peer-fin 1
    SAFECLOSE_EVENTS=all SAFECLOSE_EXIT_WAIT=60s scene linger 'program closes' "${bye[@]}"
    parked none
    over peer-fin 0
}

@test "late data over IPv6 and with mapped addresses" {
    local option
    for option in --family=ipv6 --family=mapped; do
        SAFECLOSE_EXIT_WAIT=60s scene linger "$option" --narrow 'program fills' 'peer sends 5' "${late[@]}" \
            "${bye[@]}"
        all_delivered
        parked unread-data
        over peer-fin 9
    done
}

@test "late urgent data: discarded like other data" {
    SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program fills' 'peer sends urgent' 'peer sends 7' \
        'program closes' 'peer sends urgent' 'peer sends 9' "${bye[@]}"
    all_delivered
}

# ---- States ----------------------------------------------------------------------------------------

@test "half-closed before, FIN unacknowledged (FIN_WAIT1): lingers" {
    SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program fills' 'program shuts writing' \
        'program awaits FIN_WAIT1' 'peer sends 5' "${late[@]}" "${bye[@]}"
    all_delivered
    tells action lingering outcome none state FIN_WAIT1
    over peer-fin 9
}

@test "half-closed before, FIN acknowledged (FIN_WAIT2): lingers" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'program writes 3000' 'program shuts writing' \
        'program awaits FIN_WAIT2' 'peer sends 5' "${late[@]}" "${bye[@]}"
    all_delivered 3000
    tells action lingering outcome none state FIN_WAIT2
    over peer-fin 9
}

@test "the peer has ended its side (CLOSE_WAIT): drained at once, nobody holds it on" {
    scene linger --narrow 'program fills' 'peer sends 5' 'peer shuts down' 'program awaits CLOSE_WAIT' \
        'program closes' 'peer sees who holds it' "$end"
    all_delivered
    saw held no
    tells cause unread-data action drained outcome fin discarded 5
    sums actions.lingering 0
}

@test "shut down for reading before: late data resets whatever is done, so it is only drained" {
    scene linger 'peer sends 5' 'program shuts reading' 'program closes' 'peer sees who holds it' "$end"
    saw held no
    tells action drained outcome fin note read-shut discarded 5
}

# ---- Left alone ------------------------------------------------------------------------------------

@test "SO_LINGER {1,0}: the reset that the program asks for comes at once, and is told" {
    scene linger 'program lingers 0' 'peer sends 1024' 'program closes' 'peer sees who holds it' "$end"
    saw resets 1 held no peer_end ECONNRESET
    tells outcome rst action none unread 1024
    sums actions.lingering 0
}

@test "held by a duplicate: passed through, and the last close lingers" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'program shares by dup' 'peer sends 5' 'program closes' \
        'program closes the duplicate' 'peer sends 4' "${bye[@]}"
    resets_nobody
    tells 1.action passed 1.note shared 1.outcome none 1.discarded 0
    tells 2.action lingering 2.note ''
    sums actions.lingering 1
    tells_end ended_by peer-fin discarded 9
}

@test "held by nobody provably: left alone, late data resets" {
    scene linger --inherited 'program closes' 'peer sees who holds it' 'peer sends late 4' "$end"
    saw resets 1 held no
    # The program does nothing with TCP: what it inherited on a number above 2 is not its own.
    same '0 0' "$closes $summaries"
    scene linger --inherited 'program listens' 'program closes' 'peer sees who holds it' 'peer sends late 4' "$end"
    saw resets 1 held no
    sums actions.lingering 0
}

@test "a listening socket with clients waiting: reset as without the library" {
    never_changed --alone 'program listens' 'peer connects' 'program closes the listener' "$end"
    scene linger --alone 'program listens' 'peer connects' 'program closes the listener' "$end"
    saw resets 1 peer_end ECONNRESET
    tells cause pending-accepts action none
    sums actions.lingering 0
}

@test "MPTCP: left alone" {
    scene linger --mptcp 'peer sends 1024' 'program closes' 'peer sees who holds it' "$end"
    saw held no
    tells proto mptcp outcome unknown note mptcp action passed
    sums actions.lingering 0
}

# ---- What the program asked of the connection ------------------------------------------------------

# Without the library this close waits until the peer has acknowledged all of it.
@test "SO_LINGER with a time, output unacknowledged: the close does not wait, all is delivered" {
    local steps=(--narrow 'program lingers 100' 'program fills' 'program begins to close')
    scene none "${steps[@]}" "$end" 'program answers'
    saw close_waits yes peer_end EOF
    SAFECLOSE_EXIT_WAIT=60s scene linger "${steps[@]}" 'program answers' 'peer sends 4' "${bye[@]}"
    saw close_waits no close '0 kept' number free
    all_delivered
    over peer-fin 4
}

@test "SO_LINGER with a time: an exit does not wait for it either" {
    scene linger --narrow 'program lingers 100' 'program fills' 'program closes' 'program ends' "$end"
    saw exit 0
    all_delivered
}

@test "SO_RCVLOWAT 1000: what comes late is read, however little it is" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'program sets rcvlowat 1000' 'peer sends 10' "${late[@]}" \
        'peer awaits its being read' "${bye[@]}"
    resets_nobody
    parked unread-data
    over peer-fin 14
}

@test "O_ASYNC: no SIGIO after the close, as without the library" {
    local steps=('program asks for SIGIO' 'peer sends 5' 'program says if SIGIO came')
    scene linger "${steps[@]}"
    saw sigio yes
    scene none "${steps[@]}" 'program closes' 'peer sends late 4' 'program says if SIGIO came'
    saw sigio no
    scene linger "${steps[@]}" "${late[@]}" 'peer shuts down' 'program says if SIGIO came' "$end"
    saw sigio no
    resets_nobody
}

@test "F_SETOWN: no SIGURG after the close for the urgent data of the peer" {
    local steps=('program asks for SIGURG' 'peer sends 5')
    scene linger "${steps[@]}" 'peer sends urgent' 'program says if SIGURG came'
    saw sigurg yes
    scene none "${steps[@]}" 'program closes' 'peer sends late 4' 'program says if SIGURG came'
    saw sigurg no
    scene linger "${steps[@]}" 'program closes' 'peer sends urgent' 'peer shuts down' \
        'program says if SIGURG came' "$end"
    saw sigurg no
    resets_nobody
}

@test "TCP_CORK with data held back: all of it is delivered" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'program corks' 'program writes 100' 'peer sends 5' "${late[@]}" \
        "${bye[@]}"
    all_delivered 100
    parked unread-data
}

@test "a small send buffer: all of it is delivered" {
    SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program sets sndbuf 1' 'program fills' "${late[@]}" \
        "${bye[@]}"
    all_delivered
}

@test "O_NONBLOCK makes no difference" {
    SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program never blocks on all' 'program fills' \
        'peer sends 5' "${late[@]}" "${bye[@]}"
    all_delivered
    parked unread-data
}

@test "SAFECLOSE_PORTS: a connection outside is left alone" {
    SAFECLOSE_PORTS=1 scene linger 'program closes' 'peer sees who holds it' 'peer sends late 4' "$end"
    saw held no resets 1
    sums closes 0 actions.lingering 0
}

@test "many connections at once: each is parked, and each ends with its peer" {
    SAFECLOSE_EXIT_WAIT=60s scene linger --alone 'program listens 200' 'peer connects 200' 'program accepts 200' \
        'peer all send 1000' 'program closes all' 'peer all send 1000' 'peer all read to the end' \
        'peer all close' 'program ends'
    saw closed '200 of 200' peers_eof 200 resets 0
    sums actions.lingering 200 linger_ends.peer-fin 200
}

# ---- How it ends -----------------------------------------------------------------------------------

@test "the peer resets: ended by peer-rst, and nothing was sent" {
    SAFECLOSE_EXIT_WAIT=60s scene linger 'peer sends 5' 'program closes' 'peer resets' 'program ends'
    over peer-rst 5
    tells_end outcome none
}

@test "an end that the peer makes, in words" {
    SAFECLOSE_LOG=stderr SAFECLOSE_EXIT_WAIT=60s scene linger 'peer sends 5' "${late[@]}" "${bye[@]}"
    matches ": FIN \\[unread-data\\] after lingering for [0-9]+ ms, 9 bytes discarded that the peer believes delivered: the peer closed its side" \
        "$(<"$stderr")"
    SAFECLOSE_LOG=stderr SAFECLOSE_EXIT_WAIT=60s scene linger 'peer sends 5' 'program closes' 'peer resets' \
        'program ends'
    matches ": nothing sent \\[unread-data\\] after lingering for [0-9]+ ms, 5 bytes discarded that the peer believes delivered: the peer reset it" \
        "$(<"$stderr")"
}

@test "the peer is silent: ended by idle, and late data resets from then on" {
    SAFECLOSE_LINGER_IDLE=50ms scene linger 'peer sends 5' 'program closes' 'peer awaits its being given up' \
        'peer sends late 4' 'program ends'
    saw resets 1
    over idle 5
    tells_end outcome fin
}

@test "a peer that goes on sending is not idle" {
    SAFECLOSE_LINGER_IDLE=3s SAFECLOSE_EXIT_WAIT=60s scene linger 'program closes' 'peer trickles 50' \
        "${bye[@]}"
    resets_nobody
    over peer-fin 50
}

# Within five seconds it reads a part of a long answer, and sends nothing.
@test "a slow reader of a long answer is not idle" {
    SAFECLOSE_LINGER_IDLE=3s SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program fills' 'program closes' \
        'peer reads slowly 500K' 'peer sees who holds it' 'peer sends 4' "${bye[@]}"
    saw read_slowly right held yes
    all_delivered
    over peer-fin 4
}

# Both are given up by the kernel's own rules then: what is unacknowledged it goes on sending.
@test "a peer that neither sends nor reads is idle, and gets the whole answer all the same" {
    SAFECLOSE_LINGER_IDLE=50ms SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'peer sends 5' 'program fills' \
        'program closes' 'peer awaits its being given up' 'program ends' "$end"
    all_delivered
    over idle 5
    ((ended[unacked] > 0)) || fail "unacked ${ended[unacked]}"
}

@test "the peer goes on for longer than LINGER_TIME: ended by time" {
    SAFECLOSE_LINGER_TIME=300ms scene linger 'peer sends 5' 'program closes' \
        'peer awaits its being given up' 'program ends' "$end"
    resets_nobody
    over time 5
}

@test "LINGER_TIME is over although the peer goes on: from then on it is answered with a reset" {
    SAFECLOSE_LINGER_TIME=300ms scene linger 'peer sends 5' 'program closes' \
        'peer awaits its being given up' 'peer sends late 4' 'program ends'
    saw resets 1
    over time 5
}

@test "more than DISCARD_MAX: ended by bytes" {
    SAFECLOSE_DISCARD_MAX=1000 SAFECLOSE_EXIT_WAIT=60s scene linger 'peer sends 600' 'program closes' \
        'peer sends late 600' 'peer awaits its being given up' 'program ends' "$end"
    # The FIN came first, so that a reader sees a regular end.
    saw peer_end EOF peer_pending EPIPE resets 1 on_close 1
    over bytes 1000
    tells_end outcome rst
}

@test "as much as DISCARD_MAX: nothing is reset" {
    SAFECLOSE_DISCARD_MAX=1000 SAFECLOSE_EXIT_WAIT=60s scene linger 'peer sends 600' 'program closes' \
        'peer sends 399' "${bye[@]}"
    resets_nobody
    over peer-fin 999
}

@test "more unread than DISCARD_MAX already: the reset comes, and is told" {
    SAFECLOSE_DISCARD_MAX=1000 SAFECLOSE_EXIT_WAIT=60s scene linger --narrow 'program fills' \
        'peer sends 1001' 'program closes' 'peer awaits its being given up' 'program ends' "$end"
    saw peer_end ECONNRESET resets 1 on_close 1
    over bytes 1000
    tells_end outcome rst
}

@test "the process ends and does not wait: ended by exit, what has arrived is discarded" {
    scene linger --narrow 'program fills' 'peer sends 5' "${late[@]}" 'program ends' "$end"
    all_delivered
    saw exit 0
    over exit 9
    tells_end outcome fin
}

# ---- Exits -----------------------------------------------------------------------------------------

@test "EXIT_WAIT ends although the peer acknowledges nothing" {
    SAFECLOSE_EXIT_WAIT=200ms scene linger --narrow 'program fills' 'peer sends 5' 'program closes' \
        'program ends' "$end"
    all_delivered
    over exit 5
    ((ended[unacked] > 0)) || fail "unacked ${ended[unacked]}"
}

@test "an exit waits until what the program wrote is acknowledged, and then no longer" {
    SAFECLOSE_EXIT_WAIT=1h scene linger --narrow 'program fills' 'peer sends 5' \
        'program begins to end' 'peer reads slowly 500K' 'peer sees who holds it' "$end" 'program ends'
    saw held yes
    all_delivered
    tells via exit action lingering
    tells_end ended_by exit discarded 5 via exit unacked 0
}

@test "an exit does not wait for a peer that merely stays" {
    SAFECLOSE_EXIT_WAIT=1h scene linger 'peer sends 5' 'program writes 9' 'program closes' 'program ends' "$end"
    all_delivered 9
    over exit 5
    SAFECLOSE_EXIT_WAIT=1h scene linger 'peer sends 5' 'program writes 9' 'program ends' "$end"
    all_delivered 9
    tells_end ended_by exit discarded 5 via exit unacked 0
}

# ---- Connections that the program opened -----------------------------------------------------------

@test "opened, with output unacknowledged: lingers until that has arrived" {
    scene linger --program-connects --narrow 'program fills' 'peer sends 5' "${late[@]}" "$end" \
        'peer awaits its being given up' 'program ends'
    all_delivered
    over delivered 9
}

@test "opened, and all acknowledged: given up at once, what comes later is not wanted" {
    scene linger --program-connects 'peer sends 5' 'program closes' 'peer sees who holds it' 'peer sends late 4' \
        'program ends'
    saw held no resets 1
    tells cause unread-data action drained outcome fin discarded 5
    same 0 "$ends"
    scene linger --program-connects 'program closes' 'peer sees who holds it' 'program ends'
    saw held no
    same 0 "$closes"
}

@test "a client that gives up a download does not go on receiving it" {
    scene linger --program-connects 'program writes 9' 'peer sends 5' 'program closes' 'peer sends late 20M' \
        'program ends'
    matches 'ECONNRESET|EPIPE' "${seen[late]}"
}
