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

VERB(do_unix_stream, rest, "closes a UNIX stream socket")
{
    close_unix_pair(SOCK_STREAM);
}

VERB(do_unix_datagram, rest, "closes a UNIX datagram socket")
{
    close_unix_pair(SOCK_DGRAM);
}

VERB(do_unix_seqpacket, rest, "closes a UNIX seqpacket socket")
{
    close_unix_pair(SOCK_SEQPACKET);
}

VERB(do_udp, rest, "closes a UDP socket")
{
    struct sockaddr_in address = net_loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);

    if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        connect(other, (struct sockaddr *)&address, size) != 0 || send(other, "abc", 3, 0) != 3)
        scene_fail("use UDP");
    close_it(fd, other);
}

VERB(do_pipe, rest, "closes a pipe")
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0 || write(ends[1], "abc", 3) != 3)
        scene_fail("make a pipe");
    if (strcmp(rest, "to read") == 0)
        close_it(ends[0], -1);
    else
        close_it(ends[1], ends[0]);
}

VERB(do_file, rest, "closes a file")
{
    int fd = memfd_create("scene", MFD_CLOEXEC);

    if (write(fd, "abc", 3) != 3)
        scene_fail("write a file");
    close_it(fd, -1);
}

VERB(do_path, rest, "closes a path")
{
    close_it(open("/", O_PATH | O_CLOEXEC), -1);
}

VERB(do_epoll, rest, "closes an epoll set")
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (epoll_ctl(fd, EPOLL_CTL_ADD, program_connection(), &event) != 0)
        scene_fail("use epoll");
    close_it(fd, -1);
}

VERB(do_eventfd, rest, "closes an eventfd")
{
    close_it(eventfd(3, EFD_CLOEXEC), -1);
}

VERB(do_timerfd, rest, "closes a timerfd")
{
    close_it(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), -1);
}

VERB(do_signalfd, rest, "closes a signalfd")
{
    sigset_t set;

    sigemptyset(&set);
    close_it(signalfd(-1, &set, SFD_CLOEXEC), -1);
}

VERB(do_inotify, rest, "closes an inotify")
{
    close_it(inotify_init1(IN_CLOEXEC), -1);
}

/* SO_PROTOCOL says 6, as for TCP. */
VERB(do_netlink, rest, "closes a TCP netlink socket")
{
    close_it(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP), -1);
}

/* So it does here; and this one gets a copy of every segment, a refused connection's two to begin
 * with. */
VERB(do_raw, rest, "closes a raw TCP socket")
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(refused, (struct sockaddr *)&nobody, sizeof nobody) == 0 || errno != ECONNREFUSED)
        scene_fail("be refused");
    close(refused);
    close_it(fd, -1);
}
