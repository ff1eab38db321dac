/* What the read-only questions answer: about the receive queue, about the send queue, about what
 * kind of socket it is; and which questions are not read-only after all. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <fcntl.h>

/* ---- The receive queue ----------------------------------------------------------------------- */

FACT(rmem_0_means_nothing_unread, "rmem 0 means nothing unread")
{
    design_says("SO_MEMINFO's rmem 0 means surely nothing unread");
    SCOPED_PAIR pair = connected(NULL);
    char buffer[8];

    fact_is(net_rmem(pair.ours), 0);
    peer_sends(&pair, "hello");
    fact(net_rmem(pair.ours) > 0);
    must(recv(pair.ours, buffer, 4, 0) == 4);
    fact(net_rmem(pair.ours) > 0);
    must(recv(pair.ours, buffer, 1, 0) == 1);
    fact_is(net_rmem(pair.ours), 0);
    close_and_expect(&pair, sends_no_reset);
}

/* rmem above 0, FIONREAD 0, not at the mark: nothing is lost by the close. */
static void expect_harmless_queue(struct net_pair *pair, int peeked, int error)
{
    char byte;

    fact(net_rmem(pair->ours) > 0);
    fact_is(net_unread(pair->ours), 0);
    fact_is(net_at_mark(pair->ours), 0);
    fact_is(recv(pair->ours, &byte, 1, MSG_PEEK | MSG_DONTWAIT), peeked);
    if (peeked < 0)
        fact_is(errno, error);
    close_and_expect(pair, sends_no_reset);
    expect_peer_eof(pair, 0);
    net_pair_close(pair);
}

FACT(a_queued_fin_is_nothing_unread, "a queued FIN is nothing unread")
{
    design_says("only else does a peek of 0 mean a queued FIN");
    struct net_pair pair = connected(NULL);

    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    expect_harmless_queue(&pair, 0, 0);
}

FACT(out_of_order_data_is_nothing_unread, "out-of-order data is nothing unread")
{
    design_says("EAGAIN means out-of-order data (no reset)");
    struct net_pair pair = connected(NULL);

    put_time_wait_off(&pair);
    must(net_drop(pair.ours, NET_LOSE_MARKED) == 0);
    must(send(pair.peer, "!lost", 5, 0) == 5);
    must(send(pair.peer, "early", 5, 0) == 5);
    must(net_wait_at_least(net_rmem, pair.ours, 1));
    expect_harmless_queue(&pair, -1, EAGAIN);
}

FACT(fionread_does_not_count_the_fin, "FIONREAD does not count the FIN")
{
    design_says("unread: bytes in the receive queue that the program never read");
    SCOPED_PAIR pair = connected(NULL);

    peer_sends(&pair, "hello");
    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    fact_is(net_unread(pair.ours), 5);
}

FACT(a_peek_is_not_a_read, "a peek is not a read")
{
    design_says("MSG_PEEK never counts as reading");
    SCOPED_PAIR pair = connected(NULL);
    char buffer[8];

    peer_sends(&pair, "hello");
    fact_is(recv(pair.ours, buffer, sizeof buffer, MSG_PEEK), 5);
    fact_is(net_unread(pair.ours), 5);
    close_and_expect(&pair, resets_for_unread);
}

FACT(a_peek_moves_so_peek_off, "a peek moves SO_PEEK_OFF")
{
    design_says("never with SO_PEEK_OFF set");
    struct net_pair pair = connected(NULL);
    int offset = 0;
    socklen_t size = sizeof offset;
    char byte;

    if (setsockopt(pair.ours, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) != 0) {
        fact_is(errno, EOPNOTSUPP); /* TCP has it since Linux 6.9 */
        net_pair_close(&pair);
        return;
    }
    peer_sends(&pair, "hello");
    must(recv(pair.ours, &byte, 1, MSG_PEEK) == 1);
    must(getsockopt(pair.ours, SOL_SOCKET, SO_PEEK_OFF, &offset, &size) == 0);
    fact_is(offset, 1);
    net_pair_close(&pair);
}

FACT(a_socket_never_connected_has_nothing,
     "a socket never connected is in CLOSE and has nothing unread")
{
    design_says("state CLOSE -> nothing is sent");
    need_counters();
    int fd = net_socket(NULL);

    fact_is(net_state(fd), TCP_CLOSE);
    fact_is(net_unread(fd), 0);
    fact_is(net_rmem(fd), 0);
    must(close(fd) == 0);
}

/* ---- A pending error ------------------------------------------------------------------------- */

static struct net_pair reset_by_peer(void)
{
    struct net_pair pair = connected(NULL);

    must(net_zero_linger(pair.peer) == 0 && close(pair.peer) == 0);
    pair.peer = -1;
    must(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    return pair;
}

FACT(a_peek_takes_a_pending_error, "a peek takes a pending error")
{
    design_says(
        "after a peer's RST, our peek got the ECONNRESET and the program's next read saw EOF");
    SCOPED_PAIR pair = reset_by_peer();
    char byte;

    fact_is(recv(pair.ours, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    fact_is(errno, ECONNRESET);
    fact_is(recv(pair.ours, &byte, 1, MSG_DONTWAIT), 0);
}

FACT(so_error_takes_a_pending_error, "SO_ERROR takes a pending error")
{
    design_says("never ask SO_ERROR");
    SCOPED_PAIR pair = reset_by_peer();
    int error = 0;
    socklen_t size = sizeof error;
    char byte;

    must(getsockopt(pair.ours, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
    fact_is(error, ECONNRESET);
    fact_is(recv(pair.ours, &byte, 1, MSG_DONTWAIT), 0);
}

FACT(the_other_questions_leave_a_pending_error,
     "the other questions leave a pending error to the program")
{
    design_says("only read-only questions are asked");
    SCOPED_PAIR pair = reset_by_peer();
    struct linger linger;
    socklen_t size = sizeof linger;
    char name[64], byte;

    fact_is(net_protocol(pair.ours), IPPROTO_TCP);
    fact_is(net_state(pair.ours), TCP_CLOSE);
    fact_is(net_rmem(pair.ours), 0);
    fact_is(net_unread(pair.ours), 0);
    fact_is(net_at_mark(pair.ours), 0);
    fact_is(net_unacked(pair.ours), 0);
    fact_is(net_unsent(pair.ours), 0);
    must(getsockopt(pair.ours, SOL_SOCKET, SO_LINGER, &linger, &size) == 0);
    must(net_name(pair.ours, false, name) == 0);
    fact_is(net_name(pair.ours, true, name), -1);
    fact_is(errno, ENOTCONN);
    fact_is(recv(pair.ours, &byte, 1, MSG_DONTWAIT), -1);
    fact_is(errno, ECONNRESET);
}

/* ---- A listener ------------------------------------------------------------------------------ */

FACT(a_listener_tells_its_accept_queue,
     "a listener tells the length of its accept queue, peers that are gone included")
{
    design_says("FIONREAD on a listening socket is EINVAL; TCP_INFO's tcpi_unacked is then the "
                "accept queue's length");
    need_counters();
    int listener = net_listen(NULL, 8), first = net_socket(NULL), second = net_socket(NULL);

    fact_is(net_state(listener), TCP_LISTEN);
    fact_is(net_unread(listener), -1);
    fact_is(errno, EINVAL);
    fact_is(net_backlog(listener), 0);
    must(net_connect(first, listener, NULL) == 0 && net_connect(second, listener, NULL) == 0);
    fact(net_wait_for(net_backlog, listener, 2));

    design_says("an upper bound: some of those peers may be gone");
    struct net_resets before = net_resets_now();
    must(net_zero_linger(first) == 0 && close(first) == 0);
    fact_is(net_resets_since(before).sent, 1);
    fact_is(net_backlog(listener), 2);
    must(close(second) == 0 && close(listener) == 0);
}

/* ---- The send queue -------------------------------------------------------------------------- */

FACT(siocoutq_counts_our_fin, "SIOCOUTQ counts our FIN until it is acknowledged")
{
    design_says("SIOCOUTQ, which after our own half-close counts the FIN as one more");
    SCOPED_PAIR pair = connected(NULL);

    fact_is(net_unacked(pair.ours), 0);
    must(net_bring_to(&pair, TCP_FIN_WAIT1) == 0);
    fact_is(net_unacked(pair.ours), 1);
    fact_is(net_unsent(pair.ours), 0);
    must(net_hear(pair.peer) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_FIN_WAIT2));
    /* Once acknowledged it is counted no more: subtracting it then would give -1. */
    fact_is(net_unacked(pair.ours), 0);
}

FACT(siocoutqnsd_counts_an_unsent_fin_too, "SIOCOUTQNSD counts an unsent FIN too")
{
    design_says("unsent: the part of it that never left (SIOCOUTQNSD)");
    SCOPED_PAIR pair = connected_with_output_waiting();
    int unacked = net_unacked(pair.ours), unsent = net_unsent(pair.ours);

    fact(unsent > 0 && unsent <= unacked);
    must(net_bring_to(&pair, TCP_FIN_WAIT1) == 0);
    fact_is(net_unacked(pair.ours), unacked + 1);
    fact_is(net_unsent(pair.ours), unsent + 1);
}

FACT(unsent_is_at_most_unacked, "what is sent and unacknowledged is not unsent")
{
    design_says("unsent: the part of it that never left (SIOCOUTQNSD)");
    SCOPED_PAIR pair = connected(NULL);

    must(net_drop(pair.peer, NET_LOSE_MARKED) == 0);
    must(send(pair.ours, "!lost", 5, 0) == 5);
    fact_is(net_unacked(pair.ours), 5);
    fact_is(net_unsent(pair.ours), 0);
}

FACT(wmem_is_0_only_when_all_is_acknowledged,
     "wmem_queued is 0 exactly when all output is acknowledged")
{
    design_says("not a line yet: SO_MEMINFO's wmem_queued is 0 exactly when all output is "
                "acknowledged");
    SCOPED_PAIR pair = connected(NULL);

    fact_is(net_wmem(pair.ours), 0);
    must(net_drop(pair.peer, NET_LOSE_MARKED) == 0);
    must(send(pair.ours, "!lost", 5, 0) == 5);
    fact(net_wmem(pair.ours) > 0);
    fact_is(net_unacked(pair.ours), 5);
    must(net_hear(pair.peer) == 0);
    must(net_wait_for(net_unacked, pair.ours, 0));
    fact_is(net_wmem(pair.ours), 0);
    /* Our FIN is output too. */
    must(net_bring_to(&pair, TCP_FIN_WAIT1) == 0);
    fact(net_wmem(pair.ours) > 0);
    must(net_hear(pair.peer) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_FIN_WAIT2));
    fact_is(net_wmem(pair.ours), 0);
}

/* In CLOSE the queue has been thrown away: only SIOCOUTQ still remembers what was lost. */
FACT(after_the_peers_reset_wmem_is_0_and_siocoutq_is_not,
     "after the peer's reset wmem_queued is 0, SIOCOUTQ is not")
{
    design_says("not a line yet: after a peer's RST wmem_queued is 0, SIOCOUTQ the output it lost");
    SCOPED_PAIR pair = connected_with_output_waiting();
    int unacked = net_unacked(pair.ours);

    must(net_zero_linger(pair.peer) == 0 && close(pair.peer) == 0);
    pair.peer = -1;
    must(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    fact_is(net_wmem(pair.ours), 0);
    fact_is(net_unacked(pair.ours), unacked);
}

/* A reset leaves SIOCOUTQ as it was, our FIN in it; in CLOSE nothing tells any more that there was
 * one. */
FACT(after_the_peers_reset_siocoutq_counts_our_fin,
     "after the peer's reset SIOCOUTQ counts our FIN")
{
    design_says("SIOCOUTQ, which after our own half-close counts the FIN as one more");
    SCOPED_PAIR pair = connected(NULL);

    must(net_bring_to(&pair, TCP_FIN_WAIT1) == 0);
    must(net_zero_linger(pair.peer) == 0 && close(pair.peer) == 0);
    pair.peer = -1;
    must(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    fact_is(net_unacked(pair.ours), 1);
}

/* ---- What kind of socket --------------------------------------------------------------------- */

FACT(so_protocol_tells_tcp_from_the_rest, "SO_PROTOCOL tells TCP from everything else")
{
    design_says("SO_PROTOCOL on TCP 202, on a file 100 (ENOTSOCK)");
    SCOPED_PAIR pair = connected(NULL);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    int file = open("/dev/null", O_RDWR | O_CLOEXEC);

    fact_is(net_protocol(pair.ours), IPPROTO_TCP);
    fact_is(net_protocol(pair.listener), IPPROTO_TCP);
    fact_is(net_protocol(udp), IPPROTO_UDP);
    fact_is(net_protocol(local), 0);
    fact_is(net_protocol(file), -1);
    fact_is(errno, ENOTSOCK);
    must(close(file) == 0 && close(local) == 0 && close(udp) == 0);
    fact_is(net_protocol(file), -1);
    fact_is(errno, EBADF);
}

static struct net_pair multipath(struct net_options options)
{
    struct net_pair pair;

    need_counters();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (fd < 0) /* built without it, or net.mptcp.enabled is 0 */
        skip();
    close(fd);
    must(net_pair_open(&pair, &options) == 0);
    return pair;
}

FACT(mptcp_is_another_protocol, "SO_PROTOCOL of MPTCP is 262")
{
    design_says("MPTCP (SO_PROTOCOL 262, ...)");
    SCOPED_PAIR pair = multipath((struct net_options){.listener_protocol = IPPROTO_MPTCP,
                                                      .connecting_protocol = IPPROTO_MPTCP});

    fact_is(net_protocol(pair.ours), 262);
    fact_is(net_protocol(pair.peer), 262);
    fact_is(net_protocol(pair.listener), 262);
    fact_is(net_at_mark(pair.ours), -1);
}

FACT(mptcp_fallen_back_keeps_its_number_and_does_not_reset,
     "MPTCP fallen back is still 262, and unread data does not reset")
{
    design_says("262, also after its fallback to TCP, where unread then sends no reset");
    struct net_pair pair =
        multipath((struct net_options){.we_connect = true, .connecting_protocol = IPPROTO_MPTCP});

    fact_is(net_protocol(pair.ours), 262);
    must(send(pair.peer, "hello", 5, 0) == 5);
    must(net_wait_for(net_unread, pair.ours, 5));
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
    net_pair_close(&pair);
}

/* A program whose runtime listens with MPTCP by default has these, and they are ordinary. */
FACT(an_mptcp_listener_gives_plain_tcp_to_a_plain_client,
     "an MPTCP listener gives plain TCP to a plain client")
{
    design_says(
        "not a line yet: a plain client's connection to an MPTCP listener has SO_PROTOCOL 6");
    SCOPED_PAIR pair = multipath((struct net_options){.listener_protocol = IPPROTO_MPTCP});

    fact_is(net_protocol(pair.listener), 262);
    fact_is(net_protocol(pair.ours), 6);
    peer_sends(&pair, "hello");
    close_and_expect(&pair, resets_for_unread);
    expect_peer_reset(&pair);
}

facts_main()
