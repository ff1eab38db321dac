/*
 * What is no TCP connection, though some of it looks like one: a netlink socket of protocol 6, a
 * raw socket for TCP. Each is made, given something unread where it can hold anything, and closed;
 * then its other end tells how that looked from there.
 */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* What is there to read at the other end, or how that failed. */
static void say_other_end(int other)
{
    char bytes[16];
    ssize_t got;

    if (other < 0)
        return;
    errno = 0;
    got = recv(other, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == ENOTSOCK) {
        fcntl(other, F_SETFL, O_NONBLOCK);
        got = read(other, bytes, sizeof bytes);
    }
    scene_say("other_end=%zd %s", got, got < 0 ? scene_errno(errno) : "");
    close(other);
}

static void close_it(int fd, int other)
{
    if (fd < 0)
        scene_fail("make a descriptor");
    program_says_closed("close", program_close(fd));
    say_other_end(other);
}

/* A connected pair, with something unread at either end. */
static void close_unix_pair(int type)
{
    int ends[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0 || send(ends[0], "abc", 3, 0) != 3 ||
        send(ends[1], "abc", 3, 0) != 3)
        scene_fail("make a socket pair");
    close_it(ends[0], ends[1]);
}

static void do_unix_stream(const char *rest)
{
    (void)rest;
    close_unix_pair(SOCK_STREAM);
}

static void do_unix_datagram(const char *rest)
{
    (void)rest;
    close_unix_pair(SOCK_DGRAM);
}

static void do_unix_seqpacket(const char *rest)
{
    (void)rest;
    close_unix_pair(SOCK_SEQPACKET);
}

static void do_udp(const char *rest)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);

    (void)rest;
    if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        connect(other, (struct sockaddr *)&address, size) != 0 || send(other, "abc", 3, 0) != 3)
        scene_fail("use UDP");
    close_it(fd, other);
}

static void do_pipe(const char *rest)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], "abc", 3) != 3)
        scene_fail("make a pipe");
    if (strcmp(rest, "to read") == 0)
        close_it(ends[0], -1);
    else
        close_it(ends[1], ends[0]);
}

static void do_file(const char *rest)
{
    int fd = memfd_create("scene", MFD_CLOEXEC);

    (void)rest;
    if (write(fd, "abc", 3) != 3)
        scene_fail("write a file");
    close_it(fd, -1);
}

static void do_path(const char *rest)
{
    (void)rest;
    close_it(open("/", O_PATH | O_CLOEXEC), -1);
}

static void do_epoll(const char *rest)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);

    (void)rest;
    if (epoll_ctl(fd, EPOLL_CTL_ADD, program_connection(), &event) != 0)
        scene_fail("use epoll");
    close_it(fd, -1);
}

static void do_eventfd(const char *rest)
{
    (void)rest;
    close_it(eventfd(3, EFD_CLOEXEC), -1);
}

static void do_timerfd(const char *rest)
{
    (void)rest;
    close_it(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), -1);
}

static void do_signalfd(const char *rest)
{
    sigset_t set;

    (void)rest;
    sigemptyset(&set);
    close_it(signalfd(-1, &set, SFD_CLOEXEC), -1);
}

static void do_inotify(const char *rest)
{
    (void)rest;
    close_it(inotify_init1(IN_CLOEXEC), -1);
}

/* SO_PROTOCOL says 6, as for TCP. */
static void do_netlink(const char *rest)
{
    (void)rest;
    close_it(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP), -1);
}

/* So it does here; and this one gets a copy of every segment, a refused connection's two to begin
 * with. */
static void do_raw(const char *rest)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)rest;
    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(refused, (struct sockaddr *)&nobody, sizeof nobody) == 0 || errno != ECONNREFUSED)
        scene_fail("be refused");
    close(refused);
    close_it(fd, -1);
}

const struct verb other_verbs[] = {
    {"closes a TCP netlink socket", do_netlink},
    {"closes a UDP socket", do_udp},
    {"closes a file", do_file},
    {"closes a path", do_path},
    {"closes a pipe", do_pipe},
    {"closes a raw TCP socket", do_raw},
    {"closes a UNIX datagram socket", do_unix_datagram},
    {"closes a UNIX seqpacket socket", do_unix_seqpacket},
    {"closes a UNIX stream socket", do_unix_stream},
    {"closes an epoll set", do_epoll},
    {"closes an eventfd", do_eventfd},
    {"closes an inotify", do_inotify},
    {"closes a signalfd", do_signalfd},
    {"closes a timerfd", do_timerfd},
    {NULL, NULL},
};
