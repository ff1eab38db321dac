/* The program of a scene: does what the wire says, with the library under test in front of it. */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct program program = {.listener = -1};

static struct net_options options; /* of the sockets it makes, which net.h calls ours */
static bool over;
static long written; /* bytes, of the latest connection */

/* ---- Its connections ------------------------------------------------------------------------------ */

int program_connection(void)
{
    errno = ENOTCONN;
    if (program.count == 0)
        scene_fail("speak of a connection");
    return program.connections[program.count - 1];
}

/* What the kernel calls it, for comparison with what the library says. */
void program_takes(int fd)
{
    unsigned long long cookie = 0;
    socklen_t size = sizeof cookie;

    if (fd < 0 || program.count == SCENE_MOST)
        scene_fail("take a connection");
    program.connections[program.count++] = fd;
    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
    scene_say("fd=%d", fd);
    scene_say("~cookie=0x%llx", cookie);
}

void program_drops(int fd)
{
    int kept = 0;

    for (int i = 0; i < program.count; i++)
        if (program.connections[i] != fd)
            program.connections[kept++] = program.connections[i];
    program.count = kept;
}

VERB(do_listen, rest, "listens")
{
    program.listener = net_listen(&options, *rest ? (int)scene_number(rest) : 64);
    if (program.listener < 0)
        scene_fail("listen");
    scene_say("~port=%d", net_port(program.listener));
}

VERB(do_accept, rest, "accepts")
{
    for (long i = *rest ? scene_number(rest) : 1; i > 0; i--) {
        int fd = net_accept(program.listener);
        if (*rest && fd >= 0)
            program.connections[program.count++] = fd;
        else
            program_takes(fd);
    }
}

/* Where net_connect finds the port is a listening socket; here it is another process's. */
static int connect_to(int fd, const char *port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(scene_number(port))};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = address.sin6_port};

    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (options.family == NET_IPV4)
        return connect(fd, (struct sockaddr *)&v4, sizeof v4);
    address.sin6_addr = in6addr_loopback;
    if (options.family == NET_MAPPED)
        address.sin6_addr =
            (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

VERB(do_connect, port, "connects")
{
    options.we_connect = true;
    int fd = net_socket(&options);

    if (connect_to(fd, port) != 0)
        scene_fail("connect");
    program_takes(fd);
}

VERB(do_connect_without_waiting, port, "connects without waiting")
{
    options.we_connect = true;
    int fd = net_socket(&options);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    scene_say("connect=%d %s", connect_to(fd, port), scene_errno(errno));
    program_takes(fd);
}

VERB(do_connect_socket, port, "connects the socket")
{
    if (connect_to(program_connection(), port) != 0)
        scene_fail("connect");
}

VERB(do_make_socket, rest, "makes a socket")
{
    options.we_connect = true;
    program_takes(net_socket(&options));
}

/* ---- Reading and writing -------------------------------------------------------------------------- */

VERB(do_read, rest, "reads")
{
    long got;
    bool right;
    int error = scene_read(program_connection(), 0, scene_number(rest), &got, &right);

    scene_say("read=%ld %s", got, scene_errno(error));
}

VERB(do_read_urgent, rest, "reads urgent")
{
    char byte;

    scene_say("urgent=%zd", recv(program_connection(), &byte, 1, MSG_OOB));
}

VERB(do_write, rest, "writes")
{
    long size = scene_number(rest);
    int error = scene_write(program_connection(), written, size);

    written += size;
    scene_say("write=%ld %s", size, scene_errno(error));
}

/* Until neither the peer's window nor the send buffer takes any more. Full may be for the moment
 * only, while data is on its way: it is for good when what is unacknowledged is also unsent. */
VERB(do_fill, rest, "fills")
{
    int fd = program_connection();
    unsigned char block[16384];

    for (;;) {
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = scene_byte(written + i);
        ssize_t sent = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0)
            written += sent;
        else if (net_unsent(fd) > 0 && net_unsent(fd) == net_unacked(fd))
            break;
        else
            sched_yield();
    }
    scene_say("~written=%ld", written);
}

VERB(do_shut, rest, "shuts")
{
    static const char *const names[] = {"reading", "writing", "both"};

    for (int how = SHUT_RD; how <= SHUT_RDWR; how++)
        if (strcmp(rest, names[how]) == 0 && shutdown(program_connection(), how) == 0)
            return;
    scene_fail("shut %s", rest);
}

VERB(do_await, rest, "awaits")
{
    static const char *const names[] = {[TCP_ESTABLISHED] = "ESTABLISHED",
                                        [TCP_SYN_SENT] = "SYN_SENT",
                                        [TCP_FIN_WAIT1] = "FIN_WAIT1",
                                        [TCP_FIN_WAIT2] = "FIN_WAIT2",
                                        [TCP_CLOSE] = "CLOSE",
                                        [TCP_CLOSE_WAIT] = "CLOSE_WAIT",
                                        [TCP_LAST_ACK] = "LAST_ACK",
                                        [TCP_LISTEN] = "LISTEN",
                                        [TCP_CLOSING] = "CLOSING"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i] && strcmp(rest, names[i]) == 0 &&
            net_wait_for(net_state, program_connection(), i))
            return;
    errno = ETIMEDOUT;
    scene_fail("reach %s: it is %d", rest, net_state(program_connection()));
}

/* Read or not. */
VERB(do_await_received, rest, "awaits received")
{
    errno = ETIMEDOUT;
    if (!net_wait_at_least(net_received, program_connection(), scene_number(rest)))
        scene_fail("receive %s", rest);
}

VERB(do_await_unread, rest, "awaits unread")
{
    errno = ETIMEDOUT;
    if (!net_wait_for(net_unread, program_connection(), scene_number(rest)))
        scene_fail("have %s unread", rest);
}

/* ---- Options -------------------------------------------------------------------------------------- */

static void set_linger(int fd, const char *seconds)
{
    struct linger linger = {.l_onoff = 1, .l_linger = scene_number(seconds)};

    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0)
        scene_fail("set SO_LINGER");
}

VERB(do_linger, rest, "lingers")
{
    set_linger(program_connection(), rest);
}

VERB(do_linger_on_listener, rest, "lingers on the listener")
{
    set_linger(program.listener, rest);
}

VERB(do_linger_on_listener_duplicate, rest, "lingers on a duplicate of the listener")
{
    int copy = dup(program.listener);

    set_linger(copy, rest);
    close(copy);
}

static void set_int(int level, int option, int value)
{
    if (setsockopt(program_connection(), level, option, &value, sizeof value) != 0)
        scene_fail("set option %d", option);
}

VERB(do_urgent_inline, rest, "takes urgent inline")
{
    set_int(SOL_SOCKET, SO_OOBINLINE, 1);
}

VERB(do_rcvlowat, rest, "sets rcvlowat")
{
    set_int(SOL_SOCKET, SO_RCVLOWAT, scene_number(rest));
}

VERB(do_linger2, rest, "sets linger2")
{
    set_int(IPPROTO_TCP, TCP_LINGER2, scene_number(rest));
}

VERB(do_nonblocking, rest, "never blocks on all")
{
    for (int i = 0; i < program.count; i++)
        fcntl(program.connections[i], F_SETFL, O_NONBLOCK);
}

VERB(do_sndbuf, rest, "sets sndbuf")
{
    set_int(SOL_SOCKET, SO_SNDBUF, scene_number(rest));
}

VERB(do_cork, rest, "corks")
{
    set_int(IPPROTO_TCP, TCP_CORK, 1);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

VERB(do_ask_for_sigio, rest, "asks for SIGIO")
{
    const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    int fd = program_connection();

    if (sigaction(SIGIO, &action, NULL) != 0 || fcntl(fd, F_SETOWN, getpid()) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) != 0)
        scene_fail("ask for SIGIO");
}

VERB(do_ask_for_sigurg, rest, "asks for SIGURG")
{
    const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};

    if (sigaction(SIGURG, &action, NULL) != 0 ||
        fcntl(program_connection(), F_SETOWN, getpid()) != 0)
        scene_fail("ask for SIGURG");
}

/* Whether there was one since the last time. */
VERB(do_say_sigio, rest, "says if SIGIO came")
{
    scene_say("sigio=%s", signals ? "yes" : "no");
    signals = 0;
}

VERB(do_say_sigurg, rest, "says if SIGURG came")
{
    scene_say("sigurg=%s", signals ? "yes" : "no");
    signals = 0;
}

/* ---- Closing -------------------------------------------------------------------------------------- */

struct closed program_close(int fd)
{
    struct closed closed;

    errno = SCENE_KEPT;
    closed.result = close(fd);
    closed.error = errno;
    return closed;
}

void program_says_closed(const char *what, struct closed closed)
{
    scene_say("%s=%d %s", what, closed.result, scene_errno(closed.error));
}

VERB(do_close, rest, "closes")
{
    int fd = program_connection();

    scene_say("~tid=%ld", syscall(SYS_gettid));
    program_says_closed("close", program_close(fd));
    scene_say("number=%s", syscall(SYS_fcntl, fd, F_GETFD) < 0 ? "free" : "taken");
    program_drops(fd);
}

VERB(do_close_listener, rest, "closes the listener")
{
    scene_say("~tid=%ld", syscall(SYS_gettid));
    program_says_closed("close", program_close(program.listener));
    program.listener = -1;
}

VERB(do_close_number, rest, "closes number")
{
    program_says_closed("close", program_close(scene_number(rest)));
}

/* How many closes went as they should: 0 returned, errno kept. */
VERB(do_close_all, rest, "closes all")
{
    int right = 0, all = program.count;

    while (program.count > 0) {
        struct closed closed = program_close(program.connections[--program.count]);
        right += closed.result == 0 && closed.error == SCENE_KEPT;
    }
    scene_say("closed=%d of %d", right, all);
}

VERB(do_nothing, rest, "starts")
{
    (void)rest;
}

/* ---- The wire -------------------------------------------------------------------------------------- */

VERB(do_end, rest, "ends")
{
    over = true;
}

void program_replies(void)
{
    const char *said = scene_said();

    if (!*said)
        said = ".";
    if (send(SCENE_CONTROL, said, strlen(said), MSG_NOSIGNAL) < 0)
        _exit(71);
}

static void read_environment(void)
{
    const char *family = getenv("SCENE_FAMILY");
    const char *protocol = getenv("SCENE_PROTOCOL");
    int flags = fcntl(SCENE_CONTROL, F_GETFD);

    if (!family || !protocol || flags < 0)
        scene_fail("run without a peer");
    fcntl(SCENE_CONTROL, F_SETFD, FD_CLOEXEC);
    options.family = strcmp(family, "ipv6") == 0     ? NET_IPV6
                     : strcmp(family, "mapped") == 0 ? NET_MAPPED
                                                     : NET_IPV4;
    options.listener_protocol = options.connecting_protocol =
        strcmp(protocol, "mptcp") == 0 ? IPPROTO_MPTCP : 0;
}

int program_main(void)
{
    char step[256];

    read_environment();
    if (fcntl(SCENE_GIVEN, F_GETFD) >= 0)
        program.connections[program.count++] = SCENE_GIVEN;
    while (!over) {
        ssize_t got = recv(SCENE_CONTROL, step, sizeof step - 1, 0);
        if (got <= 0)
            return 72; /* the peer is gone */
        step[got] = '\0';
        scene_act(program_verbs, step);
        if (!over)
            program_replies();
    }
    return 0;
}
