/* Resets that come after the close, or after a shutdown: data that arrives too late; and the one
 * before the connection is made (TCP Fast Open). */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <fcntl.h>

/* ---- After the close ------------------------------------------------------------------------- */

static bool a_reset_was_sent(void *before)
{
    return net_resets_since(*(struct net_resets *)before).sent > 0;
}

/* Sends late data from the peer, and waits for the reset it provokes. */
static void send_late(const struct net_pair *pair)
{
    struct net_resets before = net_resets_now();

    must(send(pair->peer, "late", 4, MSG_NOSIGNAL) == 4);
    fact(net_wait_until(a_reset_was_sent, &before));
}

FACT(late_data_cuts_a_response_after_a_clean_close, "late data cuts a response after a clean close")
{
    design_says("Late data resets also after a perfectly clean close");
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    SCOPED_PAIR pair = connected(&small);
    struct net_resets before = net_resets_now();
    long written = net_fill(pair.ours);

    close_and_expect(&pair, sends_no_reset);
    send_late(&pair);
    design_says("in FIN_WAIT1 reason ABORT_ON_DATA");
    expect_fate(&pair, before, (struct fate){true, 0, 1, "TCP_ABORT_ON_DATA"});
    struct net_end end = net_read_to_end(pair.peer);
    fact_is(end.error, ECONNRESET);
    fact(end.bytes < written);
}

struct awaited_reason {
    const char *from;
    const char *to;
    const char *name;
};

static bool reason_has_come(void *arg)
{
    struct awaited_reason *awaited = arg;
    const char *reason = net_trace_reason(awaited->from, awaited->to);

    return !reason || strcmp(reason, awaited->name) == 0;
}

/* Retransmissions may repeat earlier reasons. Where no tracepoint is to be had the count must do.
 */
static bool wait_for_reason(const char *from, const char *to, const char *name)
{
    return net_wait_until(reason_has_come, &(struct awaited_reason){from, to, name});
}

/* Our FIN must be known to be acknowledged before the close: an acknowledgement that is delayed
 * until the late data carries it finds us in FIN_WAIT1. The peer is kept from hearing resets, or it
 * could not send a second and a third time. */
FACT(late_data_after_our_fin_was_acknowledged,
     "late data resets after our FIN was acknowledged, uncounted")
{
    design_says("once our FIN was acknowledged, TIMEWAIT_SOCKET with no counter; later TCP_FLAGS");
    SCOPED_PAIR pair = connected(NULL);
    struct net_resets before = net_resets_now();

    must(net_bring_to(&pair, TCP_FIN_WAIT2) == 0);
    close_and_expect(&pair, sends_no_reset);
    must(net_drop(pair.peer, NET_LOSE_RST) == 0);
    send_late(&pair);
    fact(wait_for_reason(pair.our_name, pair.peer_name, "TCP_TIMEWAIT_SOCKET"));

    send_late(&pair);
    /* Now it is the listener that answers, which has no peer. */
    fact(wait_for_reason(pair.our_name, "0.0.0.0:0", "TCP_FLAGS"));

    design_says("ABORT_ON_DATA, TIMEWAIT_SOCKET, TCP_FLAGS, NO_SOCKET = late data");
    must(close(pair.listener) == 0);
    pair.listener = -1;
    send_late(&pair);
    fact(wait_for_reason(pair.our_name, pair.peer_name, "NO_SOCKET"));

    struct net_resets counted = net_resets_since(before);
    fact_is(counted.on_close + counted.on_data, 0);
}

/* ---- After a shutdown ------------------------------------------------------------------------ */

FACT(late_data_after_shut_rdwr_resets_an_open_descriptor,
     "late data after SHUT_RDWR resets an open descriptor")
{
    design_says("After shutdown(fd, SHUT_RDWR) late data resets even while the descriptor is open");
    SCOPED_PAIR pair = connected(NULL);
    struct net_resets before = net_resets_now();

    must(shutdown(pair.ours, SHUT_RDWR) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_FIN_WAIT2));
    fact_is(net_resets_since(before).sent, 0);
    send_late(&pair);
    expect_fate(&pair, before, (struct fate){true, 0, 1, "TCP_ABORT_ON_DATA"});
    fact(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    expect_peer_reset(&pair);
}

FACT(unread_data_before_shut_rdwr_still_resets, "unread data before SHUT_RDWR still resets")
{
    design_says("unread -> RST (TCPAbortOnClose), in every other state");
    SCOPED_PAIR pair = connected(NULL);

    peer_sends(&pair, "hello");
    must(shutdown(pair.ours, SHUT_RDWR) == 0);
    fact_is(net_unread(pair.ours), 5);
    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

FACT(late_data_after_a_half_close_is_queued, "late data after a half-close is queued")
{
    design_says("linger: half-close (SHUT_WR), go on discarding until the peer is done");
    SCOPED_PAIR pair = connected(NULL);
    struct net_resets before = net_resets_now();

    must(shutdown(pair.ours, SHUT_WR) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_FIN_WAIT2));
    peer_sends(&pair, "late");
    fact_is(net_resets_since(before).sent, 0);
}

/* ---- Before the handshake is complete -------------------------------------------------------- */

/* Accepts a connection that came with data in its SYN, and whose last ACK never comes. */
static struct net_pair fast_open(void)
{
    struct net_pair pair = {.ours = -1, .peer = net_socket(NULL)};
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int queue = 4, yes = 1;

    need_counters();
    /* 1: connecting, 2: listening; a new namespace has 1. */
    int sysctl = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC);
    must(sysctl >= 0 && write(sysctl, "3", 1) == 1 && close(sysctl) == 0);
    pair.listener = net_listen(NULL, 4);
    must(getsockname(pair.listener, (struct sockaddr *)&address, &size) == 0);
    must(setsockopt(pair.listener, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &yes, sizeof yes) == 0);
    must(setsockopt(pair.peer, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &yes, sizeof yes) == 0);
    must(setsockopt(pair.listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof queue) == 0);
    must(fcntl(pair.peer, F_SETFL, O_NONBLOCK) == 0);
    must(net_drop(pair.peer, NET_LOSE_ALL) == 0); /* it will not hear the SYN-ACK */
    sendto(pair.peer, "hello", 5, MSG_FASTOPEN, (struct sockaddr *)&address, size);
    pair.ours = net_accept(pair.listener);
    must(pair.ours >= 0);
    must(net_name(pair.ours, false, pair.our_name) == 0);
    must(net_name(pair.ours, true, pair.peer_name) == 0);
    return pair;
}

/* The one way to have unread bytes, rmem above 0, FIONREAD 0, and not be at an urgent mark. */
FACT(a_fast_open_connection_in_syn_recv_hides_its_unread_data,
     "a Fast Open connection in SYN_RECV hides its unread data from FIONREAD")
{
    design_says("not a line yet: in SYN_RECV (Fast Open) FIONREAD is 0, whatever is queued");
    SCOPED_PAIR pair = fast_open();
    char buffer[8];

    fact_is(net_state(pair.ours), TCP_SYN_RECV);
    fact(net_rmem(pair.ours) > 0);
    fact_is(net_unread(pair.ours), 0);
    fact_is(net_at_mark(pair.ours), 0);
    fact_is(recv(pair.ours, buffer, sizeof buffer, MSG_PEEK | MSG_DONTWAIT), 5);
    close_and_expect(&pair, resets_for_unread);
}

FACT(zero_linger_resets_in_syn_recv, "zero linger resets in SYN_RECV")
{
    design_says("SO_LINGER {1,0} -> RST in ESTABLISHED, CLOSE_WAIT, FIN_WAIT1/2, SYN_RECV");
    SCOPED_PAIR pair = fast_open();
    char buffer[8];

    must(recv(pair.ours, buffer, sizeof buffer, 0) == 5);
    must(net_zero_linger(pair.ours) == 0);
    fact_is(net_state(pair.ours), TCP_SYN_RECV);
    close_and_expect(&pair, resets_for_linger);
}

facts_main()
