/* What the kernel says of a connection when the number for it is gone (NETLINK_SOCK_DIAG, sock_diag(7)): asked
 * by its addresses and its cookie, before its close and after. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- Asking ---------------------------------------------------------------------------------- */

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

struct answer {
    int error; /* ENOENT: there is no such socket */
    unsigned state;
    unsigned long inode; /* 0: nobody holds it */
};

static int new_asker(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static struct answer ask_through(int asker, const struct question *question)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct {
        struct nlmsghdr head;
        union {
            struct inet_diag_msg found;
            struct nlmsgerr error;
        };
        char rest[512];
    } reply;
    const ssize_t size = sizeof(*question);

    if (sendto(asker, question, (size_t)size, 0, (const struct sockaddr *)&kernel, sizeof kernel) !=
            size ||
        recv(asker, &reply, sizeof reply, 0) < (ssize_t)sizeof reply.head)
        return (struct answer){.error = errno};
    if (reply.head.nlmsg_type == NLMSG_ERROR)
        return (struct answer){.error = -reply.error.error};
    return (struct answer){.state = reply.found.idiag_state, .inode = reply.found.idiag_inode};
}

static struct answer ask(const struct question *question)
{
    int asker = new_asker();
    struct answer answer;

    must(asker >= 0);
    answer = ask_through(asker, question);
    close(asker);
    return answer;
}

static void put_address(const struct sockaddr_storage *address, __be32 where[4], __be16 *port)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->ss_family == AF_INET)
        where[0] = v4->sin_addr.s_addr;
    else
        memcpy(where, &v6->sin6_addr, sizeof v6->sin6_addr);
    *port = address->ss_family == AF_INET ? v4->sin_port : v6->sin6_port;
}

/* Of FD, which is open; of a listening socket only the own address. */
static struct question question_of(int fd)
{
    struct question q = {
        .head = {sizeof q, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0},
        .body = {.sdiag_protocol = IPPROTO_TCP},
    };
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    uint64_t cookie;

    must(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    q.body.sdiag_family = (uint8_t)address.ss_family;
    put_address(&address, q.body.id.idiag_src, &q.body.id.idiag_sport);
    size = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0)
        put_address(&address, q.body.id.idiag_dst, &q.body.id.idiag_dport);
    size = sizeof cookie;
    must(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0);
    memcpy(q.body.id.idiag_cookie, &cookie, sizeof cookie);
    return q;
}

/* The same of an IPv4-mapped one, asked for as IPv4. */
static struct question as_ipv4(struct question q)
{
    q.body.sdiag_family = AF_INET;
    q.body.id.idiag_src[0] = q.body.id.idiag_src[3];
    q.body.id.idiag_dst[0] = q.body.id.idiag_dst[3];
    return q;
}

/* ---- What it is expected to say -------------------------------------------------------------- */

static void expect_held(const struct question *q, int state)
{
    struct answer a = ask(q);

    fact_is(a.error, 0);
    fact(a.inode != 0);
    fact_is(a.state, state);
}

struct awaited {
    const struct question *question;
    unsigned state;
};

static bool has_come_to_state(void *arg)
{
    const struct awaited *awaited = arg;

    return ask(awaited->question).state == awaited->state;
}

/* At once; the peer's acknowledgement may take its time until it is in that state. */
static void expect_orphan(const struct question *q, int state)
{
    struct awaited awaited = {q, (unsigned)state};
    struct answer a = ask(q);

    fact_is(a.error, 0);
    fact_is(a.inode, 0);
    fact(net_wait_until(has_come_to_state, &awaited));
    fact_is(ask(q).inode, 0);
}

static void expect_gone(const struct question *q)
{
    fact_is(ask(q).error, ENOENT);
}

/* ---- While it is open ------------------------------------------------------------------------ */

static const enum net_family families[] = {NET_IPV4, NET_IPV6, NET_MAPPED};

#define OF_EACH_FAMILY(function, sentence)                                                         \
    static void function(void **state);                                                            \
    FACT_OF(sentence ": IPv4", function, (void *)&families[0])                                     \
    FACT_OF(sentence ": IPv6", function, (void *)&families[1])                                     \
    FACT_OF(sentence ": IPv4-mapped", function, (void *)&families[2])                              \
    static void function(void **state)

static const struct net_options *options_of(void **state)
{
    static struct net_options options;

    options = (struct net_options){.family = *(const enum net_family *)*state};
    return &options;
}

OF_EACH_FAMILY(an_open_connection_is_found, "an open connection is found")
{
    design_says("one socket (SOCK_DIAG_BY_FAMILY: both addresses, ..., SO_COOKIE; no dump)");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);
    struct stat st;

    must(fstat(pair.ours, &st) == 0);
    expect_held(&q, TCP_ESTABLISHED);
    fact_is(ask(&q).inode, (long)st.st_ino);
}

FACT(a_mapped_connection_is_found_as_ipv4_too, "a mapped connection is found as IPv4 too")
{
    design_says("Tried: ..., IPv4-mapped");
    const struct net_options mapped = {.family = NET_MAPPED};
    SCOPED_PAIR pair = connected(&mapped);
    struct question q = as_ipv4(question_of(pair.ours));

    expect_held(&q, TCP_ESTABLISHED);
    peer_sends(&pair, "hello");
    must(net_close_ours(&pair) == 0);
    expect_gone(&q);
}

FACT(a_cookie_is_needed_and_must_be_its_own, "another cookie is not found")
{
    design_says("4-tuple reuse gives ENOENT for the old cookie");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);

    q.body.id.idiag_cookie[0]++;
    expect_gone(&q);
}

/* Resets the first, and connects a second one from and to the same ports. */
FACT(the_old_cookie_is_not_found_once_the_ports_are_used_again,
     "the old cookie is not found once the ports are used again")
{
    design_says("4-tuple reuse gives ENOENT for the old cookie");
    const struct net_options we_connect = {.we_connect = true};
    SCOPED_PAIR pair = connected(&we_connect);
    struct question before = question_of(pair.ours);
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    int again;
    int one = 1;

    must(getsockname(pair.ours, (struct sockaddr *)&name, &size) == 0);
    must(net_zero_linger(pair.ours) == 0);
    must(net_close_ours(&pair) == 0);
    again = net_socket(NULL);
    must(again >= 0 && setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    must(bind(again, (struct sockaddr *)&name, sizeof name) == 0);
    must(net_connect(again, pair.listener, NULL) == 0);
    struct question after = question_of(again);
    must(after.body.id.idiag_sport == before.body.id.idiag_sport);
    must(after.body.id.idiag_dport == before.body.id.idiag_dport);
    expect_gone(&before);
    expect_held(&after, TCP_ESTABLISHED);
    must(close(again) == 0);
}

FACT(what_is_closed_already_is_not_found_though_open, "in state CLOSE it is not found though open")
{
    design_says("not found: can't be asked: ..., state CLOSE");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);

    must(net_bring_to(&pair, TCP_CLOSE) == 0);
    expect_gone(&q);
}

/* ---- Held ------------------------------------------------------------------------------------ */

OF_EACH_FAMILY(a_duplicate_holds_it, "a duplicate holds it")
{
    design_says("found, idiag_inode not 0: held: somebody has it still, nothing was sent");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);
    int duplicate = dup(pair.ours);

    peer_sends(&pair, "hello");
    must(net_close_ours(&pair) == 0);
    expect_held(&q, TCP_ESTABLISHED);
    must(close(duplicate) == 0);
    expect_gone(&q);
}

OF_EACH_FAMILY(half_closed_before_the_inode_tells_and_not_the_state,
               "half-closed before, the inode tells and not the state")
{
    design_says("The state doesn't tell (half-closed before, it is FIN_WAIT); the inode does");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);
    int duplicate = dup(pair.ours);

    must(shutdown(pair.ours, SHUT_WR) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_FIN_WAIT2));
    must(net_close_ours(&pair) == 0);
    expect_held(&q, TCP_FIN_WAIT2);
    must(close(duplicate) == 0);
    expect_orphan(&q, TCP_FIN_WAIT2);
}

OF_EACH_FAMILY(half_closed_before_and_unread_it_is_gone,
               "half-closed before, and unread, it is gone")
{
    design_says("not found: gone: with a cause, it was reset");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    must(shutdown(pair.ours, SHUT_WR) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_FIN_WAIT2));
    peer_sends(&pair, "hello");
    close_and_expect(&pair, resets_for_unread);
    expect_gone(&q);
}

FACT(a_fork_child_holds_it, "a fork child holds it")
{
    design_says("Tried: another process");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);
    int hold[2];

    peer_sends(&pair, "hello");
    pid_t child = fork_holder(hold);
    must(net_close_ours(&pair) == 0);
    expect_held(&q, TCP_ESTABLISHED);
    must(close(hold[1]) == 0);
    fact_is(wait_child(child), 0);
    expect_gone(&q);
    must(close(hold[0]) == 0);
}

FACT(a_message_in_flight_holds_it, "a message in flight holds it")
{
    design_says("found, idiag_inode not 0: held: somebody has it still");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);
    int channel[2];

    peer_sends(&pair, "hello");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, channel) == 0);
    must(net_send_descriptor(channel[0], pair.ours, 0));
    must(net_close_ours(&pair) == 0);
    expect_held(&q, TCP_ESTABLISHED);
    must(close(channel[1]) == 0 && close(channel[0]) == 0);
    expect_gone(&q);
}

/* A thread inside one call on the connection. */
struct caller {
    int fd;
    bool sends;
    _Atomic int tid;
};

enum { MUCH = 4 << 20 };

static void *call(void *arg)
{
    static char much[MUCH];
    struct caller *caller = arg;

    caller->tid = gettid();
    if (caller->sends)
        return (void *)send(caller->fd, much, sizeof much, MSG_NOSIGNAL);
    return (void *)recv(caller->fd, much, sizeof much, 0);
}

static bool has_started(void *arg)
{
    return ((struct caller *)arg)->tid != 0;
}

static pthread_t block_in(struct caller *caller)
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, call, caller) == 0);
    must(net_wait_until(has_started, caller));
    must(net_wait_thread_in(caller->tid, caller->sends ? SYS_sendto : SYS_recvfrom));
    return thread;
}

FACT(a_thread_blocked_in_send_holds_it, "a thread blocked in send holds it")
{
    design_says("found, idiag_inode not 0: held; a call in progress is a reference");
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    SCOPED_PAIR pair = connected(&small);
    struct question q = question_of(pair.ours);
    struct caller writer = {.fd = pair.ours, .sends = true};
    pthread_t thread;

    peer_sends(&pair, "hello");
    thread = block_in(&writer);
    must(net_close_ours(&pair) == 0);
    expect_held(&q, TCP_ESTABLISHED);
    net_read_to_end(pair.peer);
    must(pthread_join(thread, NULL) == 0);
    expect_gone(&q);
}

FACT(a_thread_blocked_in_recv_holds_it, "a thread blocked in recv holds it")
{
    design_says("Tried: ..., a thread blocked in recv");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);
    struct caller reader = {.fd = pair.ours};
    pthread_t thread = block_in(&reader);

    must(net_close_ours(&pair) == 0);
    expect_held(&q, TCP_ESTABLISHED);
    must(send(pair.peer, "hello", 5, MSG_NOSIGNAL) == 5);
    must(pthread_join(thread, NULL) == 0);
    expect_orphan(&q, TCP_FIN_WAIT2);
}

/* ---- Closed in order ------------------------------------------------------------------------- */

OF_EACH_FAMILY(after_an_orderly_close_it_is_an_orphan, "after an orderly close it is an orphan")
{
    design_says("found, idiag_inode 0: FIN: an orphan");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    close_and_expect(&pair, sends_no_reset);
    must(net_wait_for(net_state, pair.peer, TCP_CLOSE_WAIT));
    expect_orphan(&q, TCP_FIN_WAIT2);
    must(close(pair.peer) == 0);
    pair.peer = -1;
    expect_orphan(&q, TCP_TIME_WAIT);
}

FACT(with_output_waiting_it_is_an_orphan_in_fin_wait1,
     "with output waiting it is an orphan in FIN_WAIT1")
{
    design_says("found, idiag_inode 0: FIN: an orphan");
    SCOPED_PAIR pair = connected_with_output_waiting();
    struct question q = question_of(pair.ours);

    must(net_close_ours(&pair) == 0);
    expect_orphan(&q, TCP_FIN_WAIT1);
}

OF_EACH_FAMILY(ended_by_both_it_is_in_time_wait, "ended by both it is in TIME_WAIT")
{
    design_says("found, idiag_inode 0: ... or TIME_WAIT");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    must(net_bring_to(&pair, TCP_FIN_WAIT2) == 0);
    must(shutdown(pair.peer, SHUT_WR) == 0);
    must(net_wait_for(net_state, pair.ours, TCP_CLOSE));
    /* The socket is in CLOSE, and something else lives on under its cookie. */
    expect_orphan(&q, TCP_TIME_WAIT);
    must(net_close_ours(&pair) == 0);
    expect_orphan(&q, TCP_TIME_WAIT);
}

OF_EACH_FAMILY(after_the_peers_fin_an_orderly_close_is_gone_once_acknowledged,
               "after the peer's FIN an orderly close is gone once acknowledged")
{
    design_says("without one, in CLOSE_WAIT, FIN was sent and acknowledged");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    expect_held(&q, TCP_CLOSE_WAIT);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
    expect_gone(&q);
}

FACT(after_the_peers_fin_it_is_an_orphan_until_acknowledged,
     "after the peer's FIN it is an orphan until acknowledged")
{
    design_says("found, idiag_inode 0: FIN: an orphan");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);

    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    must(net_drop(pair.peer, NET_LOSE_FIN) == 0);
    close_and_expect(&pair, sends_no_reset);
    expect_orphan(&q, TCP_LAST_ACK);
}

/* ---- Reset ----------------------------------------------------------------------------------- */

OF_EACH_FAMILY(reset_for_unread_data_it_is_gone, "reset for unread data it is gone")
{
    design_says("not found: gone: with a cause, it was reset");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    peer_sends(&pair, "hello");
    close_and_expect(&pair, resets_for_unread);
    expect_gone(&q);
    expect_peer_reset(&pair);
}

OF_EACH_FAMILY(reset_for_zero_linger_it_is_gone, "reset for zero linger it is gone")
{
    design_says("Tried: ..., zero linger");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    must(net_zero_linger(pair.ours) == 0);
    close_and_expect(&pair, resets_for_linger);
    expect_gone(&q);
}

OF_EACH_FAMILY(reset_after_the_peers_fin_it_is_gone, "reset after the peer's FIN it is gone")
{
    design_says("not found: gone: with a cause, it was reset");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    peer_sends(&pair, "hello");
    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    close_and_expect(&pair, resets_for_unread);
    expect_gone(&q);
}

/* ---- Listening sockets ----------------------------------------------------------------------- */

OF_EACH_FAMILY(a_listening_socket_is_found_and_then_gone,
               "a listening socket with a client waiting is found, and then gone")
{
    design_says("found before, not found: gone: with a cause, it was reset");
    const struct net_options *options = options_of(state);
    struct net_resets before;
    struct question q;
    int listener;
    int client;

    need_counters();
    listener = net_listen(options, 5);
    must(listener >= 0);
    q = question_of(listener);
    expect_held(&q, TCP_LISTEN);
    client = net_socket(&(struct net_options){
        .family = options->family == NET_MAPPED ? NET_IPV4 : options->family});
    must(client >= 0 && net_connect(client, listener, options) == 0);
    must(net_wait_for(net_backlog, listener, 1));
    expect_held(&q, TCP_LISTEN);
    before = net_resets_now();
    must(close(listener) == 0);
    fact_is(net_resets_since(before).sent, 1);
    expect_gone(&q);
    must(close(client) == 0);
}

FACT(of_several_listeners_on_a_port_one_is_found, "of several listeners on a port one is found")
{
    design_says("not found: can't be asked: ..., one of several SO_REUSEPORT listeners");
    struct sockaddr_in name = net_loopback(0);
    socklen_t size = sizeof name;
    int found = 0;
    int one = 1;
    int listeners[4];

    for (int i = 0; i < 4; i++) {
        listeners[i] = socket(AF_INET, SOCK_STREAM, 0);
        must(setsockopt(listeners[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0);
        must(bind(listeners[i], (struct sockaddr *)&name, sizeof name) == 0);
        must(getsockname(listeners[i], (struct sockaddr *)&name, &size) == 0);
        must(listen(listeners[i], 5) == 0);
    }
    for (int i = 0; i < 4; i++) {
        struct question q = question_of(listeners[i]);

        found += ask(&q).error == 0;
    }
    fact_is(found, 1);
    for (int i = 0; i < 4; i++)
        close(listeners[i]);
}

/* ---- Where it needs more, or can't be asked -------------------------------------------------- */

OF_EACH_FAMILY(bound_to_a_device_it_is_found_by_that, "bound to a device it is found by that")
{
    design_says("both addresses, idiag_if where it is bound to a device");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    must(setsockopt(pair.ours, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
    expect_gone(&q);
    q.body.id.idiag_if = if_nametoindex("lo");
    expect_held(&q, TCP_ESTABLISHED);
    must(net_close_ours(&pair) == 0);
    expect_orphan(&q, TCP_FIN_WAIT2);
}

OF_EACH_FAMILY(bound_to_a_device_and_reset_it_is_gone, "bound to a device, and reset, it is gone")
{
    design_says("not found: gone: with a cause, it was reset");
    SCOPED_PAIR pair = connected(options_of(state));
    struct question q = question_of(pair.ours);

    must(setsockopt(pair.ours, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
    q.body.id.idiag_if = if_nametoindex("lo");
    expect_held(&q, TCP_ESTABLISHED);
    peer_sends(&pair, "hello");
    close_and_expect(&pair, resets_for_unread);
    expect_gone(&q);
}

/* What a child finds, as its exit status. */
enum { CHILD_FOUND, CHILD_NOT_FOUND, CHILD_OTHER };

static int found_by(int asker, const struct question *q)
{
    struct answer a = ask_through(asker, q);

    if (a.error == 0)
        return a.inode ? CHILD_FOUND : CHILD_OTHER;
    return a.error == ENOENT ? CHILD_NOT_FOUND : CHILD_OTHER;
}

FACT(in_another_network_namespace_it_is_not_found,
     "in another network namespace it is not found, but through a socket made before")
{
    design_says("not found: can't be asked: another network namespace");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);
    int kept = new_asker();
    int status;

    must(kept >= 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            _exit(99);
        /* A socket stays in the namespace in which it was made. */
        _exit(found_by(new_asker(), &q) * 10 + found_by(kept, &q));
    }
    status = wait_child(child);
    must(WIFEXITED(status) && WEXITSTATUS(status) != 99);
    fact_is(WEXITSTATUS(status), CHILD_NOT_FOUND * 10 + CHILD_FOUND);
    close(kept);
}

FACT(nobody_may_ask, "nobody may ask")
{
    design_says("unprivileged; Tried: ..., as nobody");
    enum { NOBODY = 65534 };
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);
    int parent[2];

    if (geteuid() != 0)
        skip();
    peer_sends(&pair, "hello");
    must(pipe(parent) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        char byte;
        int first;

        close(parent[1]);
        if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(99);
        first = found_by(new_asker(), &q);
        if (read(parent[0], &byte, 1) != 0) /* until it has closed the connection */
            _exit(98);
        close(pair.ours);
        _exit(first * 10 + found_by(new_asker(), &q));
    }
    must(net_close_ours(&pair) == 0);
    must(close(parent[1]) == 0 && close(parent[0]) == 0);
    int status = wait_child(child);
    must(WIFEXITED(status));
    fact_is(WEXITSTATUS(status), CHILD_FOUND * 10 + CHILD_NOT_FOUND);
}

FACT(an_answer_is_there_when_the_question_is_sent, "an answer is there when the question is sent")
{
    design_says("NETLINK_SOCK_DIAG can be asked about one socket (...; no dump; ...)");
    SCOPED_PAIR pair = connected(NULL);
    struct question q = question_of(pair.ours);
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    char reply[512];
    int asker = new_asker();

    must(asker >= 0);
    must(sendto(asker, &q, sizeof q, MSG_DONTWAIT, (const struct sockaddr *)&kernel,
                sizeof kernel) == (ssize_t)sizeof q);
    fact(recv(asker, reply, sizeof reply, MSG_DONTWAIT) > 0);
    close(asker);
}

facts_main()
