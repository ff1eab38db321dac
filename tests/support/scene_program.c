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

static void do_listen(const char *rest)
{
    struct sockaddr_in6 address;
    socklen_t size = sizeof address;

    program.listener = net_listen(&options, *rest ? (int)scene_number(rest) : 64);
    if (program.listener < 0 ||
        getsockname(program.listener, (struct sockaddr *)&address, &size) != 0)
        scene_fail("listen");
    scene_say("~port=%d", ntohs(address.sin6_port)); /* at the same place in both families */
}

static void do_accept(const char *rest)
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

static void do_connect(const char *port)
{
    options.we_connect = true;
    int fd = net_socket(&options);

    if (connect_to(fd, port) != 0)
        scene_fail("connect");
    program_takes(fd);
}

static void do_connect_without_waiting(const char *port)
{
    options.we_connect = true;
    int fd = net_socket(&options);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    scene_say("connect=%d %s", connect_to(fd, port), scene_errno(errno));
    program_takes(fd);
}

static void do_make_socket(const char *rest)
{
    (void)rest;
    options.we_connect = true;
    program_takes(net_socket(&options));
}

/* ---- Reading and writing -------------------------------------------------------------------------- */

static void do_read(const char *rest)
{
    long got;
    bool right;
    int error = scene_read(program_connection(), 0, scene_number(rest), &got, &right);

    scene_say("read=%ld %s", got, scene_errno(error));
}

static void do_read_urgent(const char *rest)
{
    char byte;

    (void)rest;
    scene_say("urgent=%zd", recv(program_connection(), &byte, 1, MSG_OOB));
}

static void do_write(const char *rest)
{
    long size = scene_number(rest);
    int error = scene_write(program_connection(), written, size);

    written += size;
    scene_say("write=%ld %s", size, scene_errno(error));
}

/* Until neither the peer's window nor the send buffer takes any more. Full may be for the moment
 * only, while data is on its way: it is for good when what is unacknowledged is also unsent. */
static void do_fill(const char *rest)
{
    int fd = program_connection();
    unsigned char block[16384];

    (void)rest;
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

static void do_shut(const char *rest)
{
    static const char *const names[] = {"reading", "writing", "both"};

    for (int how = SHUT_RD; how <= SHUT_RDWR; how++)
        if (strcmp(rest, names[how]) == 0 && shutdown(program_connection(), how) == 0)
            return;
    scene_fail("shut %s", rest);
}

static void do_await(const char *rest)
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
static void do_await_received(const char *rest)
{
    errno = ETIMEDOUT;
    if (!net_wait_at_least(net_received, program_connection(), scene_number(rest)))
        scene_fail("receive %s", rest);
}

static void do_await_unread(const char *rest)
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

static void do_linger(const char *rest)
{
    set_linger(program_connection(), rest);
}

static void do_linger_on_listener(const char *rest)
{
    set_linger(program.listener, rest);
}

static void set_int(int level, int option, int value)
{
    if (setsockopt(program_connection(), level, option, &value, sizeof value) != 0)
        scene_fail("set option %d", option);
}

static void do_urgent_inline(const char *rest)
{
    (void)rest;
    set_int(SOL_SOCKET, SO_OOBINLINE, 1);
}

static void do_rcvlowat(const char *rest)
{
    set_int(SOL_SOCKET, SO_RCVLOWAT, scene_number(rest));
}

static void do_linger2(const char *rest)
{
    set_int(IPPROTO_TCP, TCP_LINGER2, scene_number(rest));
}

static void do_nonblocking(const char *rest)
{
    (void)rest;
    for (int i = 0; i < program.count; i++)
        fcntl(program.connections[i], F_SETFL, O_NONBLOCK);
}

static void do_sndbuf(const char *rest)
{
    set_int(SOL_SOCKET, SO_SNDBUF, scene_number(rest));
}

static void do_cork(const char *rest)
{
    (void)rest;
    set_int(IPPROTO_TCP, TCP_CORK, 1);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static void do_ask_for_sigio(const char *rest)
{
    const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
    int fd = program_connection();

    (void)rest;
    if (sigaction(SIGIO, &action, NULL) != 0 || fcntl(fd, F_SETOWN, getpid()) != 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) != 0)
        scene_fail("ask for SIGIO");
}

static void do_ask_for_sigurg(const char *rest)
{
    const struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};

    (void)rest;
    if (sigaction(SIGURG, &action, NULL) != 0 ||
        fcntl(program_connection(), F_SETOWN, getpid()) != 0)
        scene_fail("ask for SIGURG");
}

/* Whether there was one since the last time. */
static void do_say_sigio(const char *rest)
{
    (void)rest;
    scene_say("sigio=%s", signals ? "yes" : "no");
    signals = 0;
}

static void do_say_sigurg(const char *rest)
{
    (void)rest;
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

static void do_close(const char *rest)
{
    int fd = program_connection();

    (void)rest;
    scene_say("~tid=%ld", syscall(SYS_gettid));
    program_says_closed("close", program_close(fd));
    scene_say("number=%s", syscall(SYS_fcntl, fd, F_GETFD) < 0 ? "free" : "taken");
    program_drops(fd);
}

static void do_close_listener(const char *rest)
{
    (void)rest;
    scene_say("~tid=%ld", syscall(SYS_gettid));
    program_says_closed("close", program_close(program.listener));
    program.listener = -1;
}

static void do_close_number(const char *rest)
{
    program_says_closed("close", program_close(scene_number(rest)));
}

/* How many closes went as they should: 0 returned, errno kept. */
static void do_close_all(const char *rest)
{
    int right = 0, all = program.count;

    (void)rest;
    while (program.count > 0) {
        struct closed closed = program_close(program.connections[--program.count]);
        right += closed.result == 0 && closed.error == SCENE_KEPT;
    }
    scene_say("closed=%d of %d", right, all);
}

static void do_nothing(const char *rest)
{
    (void)rest;
}

/* ---- The wire -------------------------------------------------------------------------------------- */

static void do_end(const char *rest)
{
    (void)rest;
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
    const struct verb *const tables[] = {program_verbs, place_verbs, process_verbs, share_verbs,
                                         other_verbs,   call_verbs,  NULL};
    char step[256];

    read_environment();
    if (fcntl(SCENE_GIVEN, F_GETFD) >= 0)
        program.connections[program.count++] = SCENE_GIVEN;
    while (!over) {
        ssize_t got = recv(SCENE_CONTROL, step, sizeof step - 1, 0);
        if (got <= 0)
            return 72; /* the peer is gone */
        step[got] = '\0';
        scene_act(tables, step);
        if (!over)
            program_replies();
    }
    return 0;
}

const struct verb program_verbs[] = {
    {"accepts", do_accept},
    {"asks for SIGIO", do_ask_for_sigio},
    {"asks for SIGURG", do_ask_for_sigurg},
    {"awaits", do_await},
    {"awaits received", do_await_received},
    {"awaits unread", do_await_unread},
    {"closes", do_close},
    {"closes all", do_close_all},
    {"closes number", do_close_number},
    {"closes the listener", do_close_listener},
    {"connects", do_connect},
    {"connects without waiting", do_connect_without_waiting},
    {"corks", do_cork},
    {"ends", do_end},
    {"fills", do_fill},
    {"lingers", do_linger},
    {"lingers on the listener", do_linger_on_listener},
    {"listens", do_listen},
    {"makes a socket", do_make_socket},
    {"never blocks on all", do_nonblocking},
    {"reads", do_read},
    {"reads urgent", do_read_urgent},
    {"says if SIGIO came", do_say_sigio},
    {"says if SIGURG came", do_say_sigurg},
    {"sets linger2", do_linger2},
    {"sets rcvlowat", do_rcvlowat},
    {"sets sndbuf", do_sndbuf},
    {"shuts", do_shut},
    {"starts", do_nothing},
    {"takes urgent inline", do_urgent_inline},
    {"writes", do_write},
    {NULL, NULL},
};
