/* What the last close() of a TCP socket sends: in which state, for what reason. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

/* A state to close in, and whether unsent output waits in it (the peer's window being closed). */
struct place {
    int state;
    bool output_waits;
    enum net_family family;
    int tcpi_state; /* the number tcpi_state must have, it being ABI */
};

static struct place established = {TCP_ESTABLISHED, false, NET_IPV4, 1};
static struct place established_v6 = {TCP_ESTABLISHED, false, NET_IPV6, 1};
static struct place established_mapped = {TCP_ESTABLISHED, false, NET_MAPPED, 1};
static struct place close_wait = {TCP_CLOSE_WAIT, false, NET_IPV4, 8};
static struct place fin_wait1 = {TCP_FIN_WAIT1, false, NET_IPV4, 4};
static struct place fin_wait2 = {TCP_FIN_WAIT2, false, NET_IPV4, 5};
static struct place last_ack = {TCP_LAST_ACK, false, NET_IPV4, 9};
static struct place closing = {TCP_CLOSING, false, NET_IPV4, 11};
static struct place both_fins = {TCP_CLOSE, false, NET_IPV4, 7};
static struct place established_full = {TCP_ESTABLISHED, true, NET_IPV4, 1};
static struct place close_wait_full = {TCP_CLOSE_WAIT, true, NET_IPV4, 8};
static struct place fin_wait1_full = {TCP_FIN_WAIT1, true, NET_IPV4, 4};
static struct place last_ack_full = {TCP_LAST_ACK, true, NET_IPV4, 9};
static struct place closing_full = {TCP_CLOSING, true, NET_IPV4, 11};

static struct net_pair pair_at(const struct place *place, const char *unread)
{
    const struct net_options options = {.family = place->family};
    struct net_pair pair =
        place->output_waits ? connected_with_output_waiting() : connected(&options);

    if (unread)
        peer_sends(&pair, unread);
    must(net_bring_to(&pair, place->state) == 0);
    must(net_unsent(pair.ours) > 0 || !place->output_waits);
    fact_is(net_state(pair.ours), place->tcpi_state);
    return pair;
}

/* ---- Unread data ----------------------------------------------------------------------------- */

static void unread_data_resets(void **state)
{
    design_says("unread -> RST (TCPAbortOnClose), in every other state, LAST_ACK and CLOSING too");
    SCOPED_PAIR pair = pair_at(*state, "hello");

    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

static void unread_after_both_fins_sends_nothing(void **state)
{
    design_says("unread after both FINs are acknowledged (CLOSE) does not");
    SCOPED_PAIR pair = pair_at(*state, "hello");

    fact_is(net_unread(pair.ours), 5);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

FACT(unread_after_the_peers_reset_sends_nothing, "unread data after the peer's reset sends nothing")
{
    design_says("state CLOSE -> nothing is sent");
    SCOPED_PAIR pair = connected(NULL);

    peer_sends(&pair, "hello");
    must(net_zero_linger(pair.peer) == 0 && close(pair.peer) == 0);
    pair.peer = -1;
    must(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    fact_is(net_unread(pair.ours), 5);
    close_and_expect(&pair, sends_no_reset);
}

FACT(shut_rd_changes_nothing, "SHUT_RD does not stop data from queueing and resetting")
{
    design_says("SHUT_RD changes nothing: data is still queued and still resets");
    SCOPED_PAIR pair = connected(NULL);

    must(shutdown(pair.ours, SHUT_RD) == 0);
    peer_sends(&pair, "late");
    fact_is(net_state(pair.ours), TCP_ESTABLISHED);
    fact_is(net_unread(pair.ours), 4);
    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

FACT(one_unread_byte_of_a_segment_resets, "one unread byte of a half-read segment resets")
{
    design_says("Unread bytes are counted to copied_seq");
    SCOPED_PAIR pair = connected(NULL);
    char buffer[4];

    peer_sends(&pair, "hello");
    must(recv(pair.ours, buffer, 4, 0) == 4);
    fact_is(net_unread(pair.ours), 1);
    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

static void everything_read_ends_in_fin(void **state)
{
    design_says("otherwise FIN");
    SCOPED_PAIR pair = pair_at(*state, "hello");
    char buffer[8];

    must(recv(pair.ours, buffer, sizeof buffer, 0) == 5);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

/* The loss that hurts: output that write() took and the kernel had not sent. */
FACT(a_reset_throws_away_what_was_not_sent, "a reset throws away what was not sent")
{
    design_says("The loss that always happens is the closer's own unsent queue");
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    SCOPED_PAIR pair = connected(&small);
    long written = net_fill(pair.ours);

    peer_sends(&pair, "hello");
    long unsent = net_unsent(pair.ours);
    fact(unsent > 0);
    close_and_expect(&pair, resets_for_unread);
    struct net_end end = net_read_to_end(pair.peer);
    fact_is(end.bytes, written - unsent);
    design_says("A Linux peer still reads what was already in its own queue, then ECONNRESET");
    fact(end.bytes > 0);
    fact_is(end.error, ECONNRESET);
}

/* ---- SO_LINGER {1,0} ------------------------------------------------------------------------- */

static void zero_linger_resets(void **state)
{
    design_says("SO_LINGER {1,0} -> RST in ESTABLISHED, CLOSE_WAIT, FIN_WAIT1/2, SYN_RECV "
                "(TCPAbortOnData)");
    SCOPED_PAIR pair = pair_at(*state, NULL);

    must(net_zero_linger(pair.ours) == 0);
    close_and_expect(&pair, resets_for_linger);
    expect_peer_reset(&pair);
}

static void zero_linger_resets_with_unsent_data(void **state)
{
    design_says("and in LAST_ACK/CLOSING with unsent data");
    SCOPED_PAIR pair = pair_at(*state, NULL);
    const struct fate fate = {true, 0, 1, "TCP_DISCONNECT_WITH_DATA"};

    must(net_zero_linger(pair.ours) == 0);
    close_and_expect(&pair, fate);
    expect_peer_reset(&pair);
}

/* TCPAbortOnData counts the abort all the same: as a witness of a reset it is wrong here. */
static void zero_linger_aborts_in_silence(void **state)
{
    design_says("and in LAST_ACK/CLOSING with unsent data; otherwise FIN");
    SCOPED_PAIR pair = pair_at(*state, NULL);
    const struct fate fate = {false, 0, 1, ""};

    must(net_zero_linger(pair.ours) == 0);
    close_and_expect(&pair, fate);
}

static void zero_linger_after_both_fins_sends_nothing(void **state)
{
    design_says("state CLOSE -> nothing is sent");
    SCOPED_PAIR pair = pair_at(*state, NULL);

    must(net_zero_linger(pair.ours) == 0);
    close_and_expect(&pair, sends_no_reset);
}

FACT(zero_linger_and_unread_counts_as_unread, "zero linger and unread data count as unread data")
{
    design_says("Zero linger *and* unread counts as unread");
    SCOPED_PAIR pair = pair_at(&established, "hello");

    must(net_zero_linger(pair.ours) == 0);
    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

FACT(zero_linger_in_syn_sent_sends_nothing, "zero linger in SYN_SENT sends nothing")
{
    design_says("SO_LINGER {1,0} -> RST in ESTABLISHED, CLOSE_WAIT, FIN_WAIT1/2, SYN_RECV");
    need_counters();
    int listener = net_listen(NULL, 1), fd = net_socket(NULL);

    must(listener >= 0 && fd >= 0 && net_drop(listener, NET_LOSE_ALL) == 0);
    must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    must(net_connect(fd, listener, NULL) != 0 && errno == EINPROGRESS);
    fact_is(net_state(fd), TCP_SYN_SENT);
    must(net_zero_linger(fd) == 0);
    struct net_resets before = net_resets_now();
    must(close(fd) == 0);
    fact_is(net_resets_since(before).sent, 0);
    must(close(listener) == 0);
}

FACT(an_accepted_socket_inherits_zero_linger,
     "an accepted socket inherits zero linger from its listener")
{
    design_says("zero linger is known from watching setsockopt");
    need_counters();
    int listener = net_listen(NULL, 1), peer = net_socket(NULL);
    struct linger linger = {0};
    socklen_t size = sizeof linger;

    must(listener >= 0 && peer >= 0 && net_zero_linger(listener) == 0);
    must(net_connect(peer, listener, NULL) == 0);
    int ours = net_accept(listener);
    must(getsockopt(ours, SOL_SOCKET, SO_LINGER, &linger, &size) == 0);
    fact(linger.l_onoff && linger.l_linger == 0);
    struct net_resets before = net_resets_now();
    must(close(ours) == 0);
    fact_is(net_resets_since(before).sent, 1);
    fact_is(net_read_to_end(peer).error, ECONNRESET);
    must(close(peer) == 0 && close(listener) == 0);
}

/* ---- Other reasons at the close itself ------------------------------------------------------- */

FACT(negative_linger2_resets_in_fin_wait2, "TCP_LINGER2 below 0 resets in FIN_WAIT2")
{
    design_says("not a line yet: TCP_LINGER2 below 0 -> RST in FIN_WAIT2 (TCPAbortOnLinger)");
    SCOPED_PAIR pair = pair_at(&fin_wait2, NULL);
    struct net_resets before = net_resets_now();
    int never = -1;

    must(setsockopt(pair.ours, IPPROTO_TCP, TCP_LINGER2, &never, sizeof never) == 0);
    must(net_close_ours(&pair) == 0);
    fact_is(net_resets_since(before).on_linger, 1);
    expect_fate(&pair, before, (struct fate){true, 0, 0, "TCP_ABORT_ON_LINGER"});
    expect_peer_reset(&pair);
}

FACT(closing_a_listener_resets_who_waits, "closing a listener resets the connections that wait")
{
    design_says("LISTEN -> reset every connection waiting to be accepted");
    enum { CLIENTS = 3 };
    struct net_pair pairs[CLIENTS] = {0};
    need_counters();
    int listener = net_listen(NULL, 8);

    for (int i = 0; i < CLIENTS; i++) {
        pairs[i].peer = net_socket(NULL);
        must(net_connect(pairs[i].peer, listener, NULL) == 0);
        must(net_name(pairs[i].peer, false, pairs[i].peer_name) == 0);
        must(net_name(listener, false, pairs[i].our_name) == 0);
    }
    must(send(pairs[0].peer, "hello", 5, 0) == 5);
    must(net_wait_for(net_backlog, listener, CLIENTS));

    struct net_resets before = net_resets_now();
    must(close(listener) == 0);
    /* Nobody unread, nobody with zero linger: neither counter tells of these. */
    struct net_resets counted = net_resets_since(before);
    fact_is(counted.sent, CLIENTS);
    fact_is(counted.on_close + counted.on_data, 0);
    for (int i = 0; i < CLIENTS; i++) {
        const char *reason = net_trace_reason(pairs[i].our_name, pairs[i].peer_name);
        design_says("TCP_STATE from the listener's port = pending");
        fact(!reason || strcmp(reason, "TCP_STATE") == 0);
        fact_is(net_read_to_end(pairs[i].peer).error, ECONNRESET);
        must(close(pairs[i].peer) == 0);
    }
}

/* ---- Closes that no close() makes ------------------------------------------------------------ */

/* Runs LEAVE in a child process that alone holds our end, with unread data; it must reset. */
static void expect_reset_when_child(void (*leave)(int fd))
{
    design_says("dup2 over a socket, exec with CLOEXEC, exit, SIGKILL reset without any close()");
    SCOPED_PAIR pair = pair_at(&established, "hello");
    int go[2], done[2];
    char byte = 0;

    must(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, 0) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(done[0]);
        if (read(go[0], &byte, 1) == 1)
            leave(pair.ours);
        /* Still here with the number taken away otherwise (dup2): says so, waits to be killed. */
        if (write(done[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(done[1]);
    struct net_resets before = net_resets_now();
    must(net_close_ours(&pair) == 0);
    fact_is(net_resets_since(before).sent, 0);
    must(write(go[1], "x", 1) == 1);
    must(read(done[0], &byte, 1) >= 0);
    kill(child, SIGKILL);
    wait_child(child);
    expect_fate(&pair, before, resets_for_unread);
    expect_peer_reset(&pair);
    close(go[0]);
    close(go[1]);
    close(done[0]);
}

static void leave_by_exit(int fd)
{
    (void)fd;
    _exit(0);
}

static void leave_by_kill(int fd)
{
    (void)fd;
    raise(SIGKILL);
}

static void leave_by_exec(int fd)
{
    (void)fd; /* close-on-exec, as net_pair_open makes it */
    execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
}

static void leave_by_dup2(int fd)
{
    dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), fd);
}

FACT(exit_resets, "the end of a process resets without a close()")
{
    expect_reset_when_child(leave_by_exit);
}

FACT(sigkill_resets, "SIGKILL resets without a close()")
{
    expect_reset_when_child(leave_by_kill);
}

FACT(exec_resets, "exec with close-on-exec resets without a close()")
{
    expect_reset_when_child(leave_by_exec);
}

FACT(dup2_resets, "dup2() over a socket resets without a close()")
{
    expect_reset_when_child(leave_by_dup2);
}

FACT_OF("unread data resets in ESTABLISHED", unread_data_resets, &established)
FACT_OF("unread data resets over IPv6", unread_data_resets, &established_v6)
FACT_OF("unread data resets over an IPv4-mapped address", unread_data_resets, &established_mapped)
FACT_OF("unread data resets in CLOSE_WAIT", unread_data_resets, &close_wait)
FACT_OF("unread data resets in FIN_WAIT1", unread_data_resets, &fin_wait1)
FACT_OF("unread data resets in FIN_WAIT2", unread_data_resets, &fin_wait2)
FACT_OF("unread data resets in LAST_ACK", unread_data_resets, &last_ack)
FACT_OF("unread data resets in CLOSING", unread_data_resets, &closing)
FACT_OF("unread data resets in ESTABLISHED with output waiting", unread_data_resets,
        &established_full)
FACT_OF("unread data resets in CLOSE_WAIT with output waiting", unread_data_resets,
        &close_wait_full)
FACT_OF("unread data resets in FIN_WAIT1 with output waiting", unread_data_resets, &fin_wait1_full)
FACT_OF("unread data resets in LAST_ACK with output waiting", unread_data_resets, &last_ack_full)
FACT_OF("unread data resets in CLOSING with output waiting", unread_data_resets, &closing_full)
FACT_OF("unread data after both FINs sends nothing", unread_after_both_fins_sends_nothing,
        &both_fins)
FACT_OF("a close with everything read sends FIN in ESTABLISHED", everything_read_ends_in_fin,
        &established)
FACT_OF("a close with everything read sends FIN in CLOSE_WAIT", everything_read_ends_in_fin,
        &close_wait)
FACT_OF("a close with everything read sends no reset in FIN_WAIT2", everything_read_ends_in_fin,
        &fin_wait2)
FACT_OF("zero linger resets in ESTABLISHED", zero_linger_resets, &established)
FACT_OF("zero linger resets in CLOSE_WAIT", zero_linger_resets, &close_wait)
FACT_OF("zero linger resets in FIN_WAIT1", zero_linger_resets, &fin_wait1)
FACT_OF("zero linger resets in FIN_WAIT2", zero_linger_resets, &fin_wait2)
FACT_OF("zero linger resets in FIN_WAIT1 with output waiting", zero_linger_resets, &fin_wait1_full)
FACT_OF("zero linger resets in LAST_ACK with unsent data", zero_linger_resets_with_unsent_data,
        &last_ack_full)
FACT_OF("zero linger resets in CLOSING with unsent data", zero_linger_resets_with_unsent_data,
        &closing_full)
FACT_OF("zero linger sends nothing in LAST_ACK without unsent data", zero_linger_aborts_in_silence,
        &last_ack)
FACT_OF("zero linger sends nothing in CLOSING without unsent data", zero_linger_aborts_in_silence,
        &closing)
FACT_OF("zero linger after both FINs sends nothing", zero_linger_after_both_fins_sends_nothing,
        &both_fins)

facts_main()
