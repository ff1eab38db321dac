/* Every door, every way in which a connection comes, and every state in which it is closed. */
#define _GNU_SOURCE
#include "faults.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- Doors ----------------------------------------------------------------------------------- */

static int file; /* /dev/null, to be put in a connection's place */

static void by_close(int fd)
{
    CALL("close", close(fd));
}

static void by_syscall(int fd)
{
    CALL("syscall close", syscall(SYS_close, fd));
}

static void by_dup2(int fd)
{
    CALL("dup2", dup2(file, fd));
    close(fd);
}

static void by_dup3(int fd)
{
    CALL("dup3", dup3(file, fd, O_CLOEXEC));
    close(fd);
}

static void by_syscall_dup3(int fd)
{
    CALL("syscall dup3", syscall(SYS_dup3, file, fd, 0));
    close(fd);
}

static void by_close_range(int fd)
{
    CALL("close_range", close_range((unsigned)fd, (unsigned)fd, 0));
}

static void by_syscall_range(int fd)
{
    CALL("syscall close_range", syscall(SYS_close_range, fd, fd, 0));
}

static void by_fclose(int fd)
{
    FILE *f = fdopen(fd, "r+");

    fputs("tail", f);
    CALL("fclose", fclose(f));
}

static void by_freopen(int fd)
{
    FILE *f = fdopen(fd, "r+");

    fputs("tail", f);
    CALL("freopen", (f = freopen("/dev/null", "r", f)) != NULL);
    CALL("fclose", fclose(f));
}

static void by_pclose(int fd)
{
    FILE *f = popen("exit 3", "r");

    dup2(fd, fileno(f));
    close(fd);
    CALL("pclose", pclose(f));
}

static const struct {
    const char *name;
    void (*leave)(int fd);
} doors[] = {
    {"by close", by_close},
    {"by syscall", by_syscall},
    {"by dup2", by_dup2},
    {"by dup3", by_dup3},
    {"by syscall dup3", by_syscall_dup3},
    {"by close_range", by_close_range},
    {"by syscall close_range", by_syscall_range},
    {"by fclose", by_fclose},
    {"by freopen", by_freopen},
    {"by pclose", by_pclose},
};

/* Calls that fail close nothing. */
static void closes_nothing(void)
{
    int fd = early(1);

    CALL("dup2 of nothing", dup2(99, fd));
    CALL("dup2 of itself", dup2(fd, fd));
    CALL("dup2 beyond", dup2(fd, 5000));
    CALL("dup3 of itself", dup3(fd, fd, 0));
    CALL("dup3 with flags", dup3(file, fd, 1));
    CALL("syscall dup3 of nothing", syscall(SYS_dup3, 99, fd, 0));
    CALL("close_range turned", close_range((unsigned)fd, 3, 0));
    CALL("close_range cloexec", close_range((unsigned)fd, (unsigned)fd, 4));
    CALL("close of nothing", close(99));
    CALL("close of -1", close(-1));
    CALL("syscall close of nothing", syscall(SYS_close, 99));
    goes_on("of calls that fail", 1);
    unread_is("the program", fd);
    CALL("close", close(fd));
    ended("read to its end", 1);
}

static void closes_other_things(void)
{
    int pair[2];
    int copy;
    int udp = (int)CALL("udp", socket(AF_INET, SOCK_DGRAM, 0));
    int unused = (int)CALL("unused", socket(AF_INET6, SOCK_STREAM, 0));

    CALL("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    copy = (int)CALL("dup", dup(pair[0]));
    CALL("close udp", close(udp));
    CALL("close unused", close(unused));
    CALL("close pair", close(pair[0]));
    CALL("close pair", close(pair[1]));
    CALL("close dup", close(copy));
}

/* With one in the middle of the numbers that go. */
static void closes_many(void)
{
    int first = early(1);

    early(2);
    CALL("closefrom", (closefrom(CONTROL + 10), 0));
    if (dup2(first, CONTROL + 10) < 0)
        say("unable to move it");
    CALL("close", close(first));
    goes_on("of a copy", 1);
    CALL("closefrom", (closefrom(CONTROL + 5), 0));
    ended("by closefrom", 1);
    CALL("close_range", close_range((unsigned)first, CONTROL - 1, 0));
    ended("by a wide range", 2);
}

void play_doors(void)
{
    file = open("/dev/null", O_RDWR | O_CLOEXEC);
    begin_listening();
    for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
        doors[i].leave(early(0));
        ended(doors[i].name, 0);
        doors[i].leave(accepted(0));
        ended(doors[i].name, 0);
    }
    closes_nothing();
    closes_other_things();
    closes_many();
    say_numbers();
    early(3); /* left to the exit */
    accepted(4);
}

/* ---- Ways and states ------------------------------------------------------------------------- */

static void comes_by_accept4(void)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    int fd;

    ask_peer(PEER_CONNECT, 0, port);
    fd = (int)CALL("accept4", accept4(listening, (struct sockaddr *)&address, &len, SOCK_CLOEXEC));
    say("address of %d", (int)len);
    arrive(0, fd, 5);
    CALL("close", close(fd));
    ended("that came by accept4", 0);
}

static void comes_by_syscall(void)
{
    int fd;

    ask_peer(PEER_CONNECT, 0, port);
    fd = (int)CALL("syscall accept4", syscall(SYS_accept4, listening, 0, 0, 0));
    arrive(0, fd, 5);
    CALL("close", close(fd));
    ended("that came by syscall", 0);
}

static void comes_by_connect(void)
{
    int fd = connected(0);

    arrive(0, fd, 5);
    CALL("close", close(fd));
    ended("that was connected", 0);
}

/* Closed by one number, it goes on by the other. */
static void is_copied(const char *label, int fd, int copy)
{
    CALL("close", close(fd));
    goes_on(label, 0);
    unread_is(label, copy);
    arrive(0, copy, 5);
    CALL("close copy", close(copy));
    ended(label, 0);
}

static void comes_by_copies(void)
{
    int fd = early(0);

    is_copied("of dup", fd, (int)CALL("dup", dup(fd)));
    fd = early(0);
    is_copied("of fcntl", fd, (int)CALL("fcntl", fcntl(fd, F_DUPFD, 20)));
    fd = early(0);
    is_copied("of cloexec", fd, (int)CALL("fcntl", fcntl(fd, F_DUPFD_CLOEXEC, 20)));
    fd = early(0);
    is_copied("of dup2", fd, (int)CALL("dup2", dup2(fd, 30)));
    fd = early(0);
    is_copied("of dup3", fd, (int)CALL("dup3", dup3(fd, 30, 0)));
    fd = early(0);
    is_copied("of syscall", fd, (int)CALL("syscall dup", syscall(SYS_dup, fd)));
}

static void set(int fd, int level, int name, const void *value, socklen_t len)
{
    CALL("setsockopt", setsockopt(fd, level, name, value, len));
}

static void asks_for_a_reset(bool unread)
{
    struct linger zero = {1, 0};
    int fd = accepted(0);

    set(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof(zero));
    if (unread)
        arrive(0, fd, 5);
    CALL("close", close(fd));
    ended_as_asked(unread ? "reset with data" : "reset", 0);
}

static void asks_by_copy(void)
{
    struct linger zero = {1, 0};
    int fd = early(0);
    int copy = (int)CALL("dup", dup(fd));

    set(copy, SOL_SOCKET, SO_LINGER, &zero, sizeof(zero));
    CALL("close copy", close(copy));
    CALL("close", close(fd));
    ended_as_asked("reset by a copy", 0);
}

static void asks_by_linger2(void)
{
    int never = -1;
    int fd = accepted(0);

    set(fd, IPPROTO_TCP, TCP_LINGER2, &never, sizeof(never));
    CALL("shutdown", shutdown(fd, SHUT_WR));
    ask_peer(PEER_READ, 0, 0);
    CALL("close", close(fd));
    ended("of linger2", 0);
}

static void waits_in_close(void)
{
    struct linger two = {1, 2};
    int much = 1000;
    int fd = early(0);

    set(fd, SOL_SOCKET, SO_LINGER, &two, sizeof(two));
    set(fd, SOL_SOCKET, SO_RCVLOWAT, &much, sizeof(much));
    CALL("close", close(fd));
    ended("with linger and lowat", 0);
}

static void is_urgent(void)
{
    int fd = accepted(0);

    arrive_urgent(0, fd);
    CALL("close", close(fd));
    ended("with one urgent byte", 0);
    fd = early(0);
    arrive_urgent(0, fd);
    CALL("close", close(fd));
    ended("with urgent data behind", 0);
}

static void is_half_closed(void)
{
    int fd = early(0);

    CALL("shutdown", shutdown(fd, SHUT_WR));
    CALL("close", close(fd));
    ended("half-closed", 0);
    fd = early(0);
    peer_finishes(0, fd);
    CALL("close", close(fd));
    ended("finished by the peer", 0);
    fd = early(0);
    CALL("shutdown", shutdown(fd, SHUT_RD));
    CALL("close", close(fd));
    ended("shut for reading", 0);
    fd = accepted(0);
    peer_finishes(0, fd);
    CALL("close", close(fd));
    ended("finished, and nothing unread", 0);
}

/* Notices that nobody takes: the kernel tells the sender what became of each zero-copy send. */
static void has_notices(void)
{
    int on = 1;
    int fd = early(0);

    set(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
    if (send(fd, "0123456789", 10, MSG_ZEROCOPY) != 10)
        say("unable to send");
    CALL("close", close(fd));
    ended("with notices", 0);
}

/* A peer that stays silent, and says nothing of an end. */
static void is_left_by_all(void)
{
    int on = 1;
    int fd = early(7);
    int signals = getpid();

    CALL("fcntl", fcntl(fd, F_SETOWN, signals));
    set(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
    if (send(fd, "0123456789", 10, MSG_ZEROCOPY) != 10)
        say("unable to send");
    CALL("close", close(fd));
}

static void listens_no_more(void)
{
    ask_peer(PEER_CONNECT, 0, port);
    ask_peer(PEER_CONNECT, 1, port);
    CALL("close listening", close(listening));
    ended_as_asked("not accepted", 0);
    ended_as_asked("not accepted", 1);
}

void play_ways(void)
{
    begin_listening();
    comes_by_accept4();
    comes_by_syscall();
    comes_by_connect();
    comes_by_copies();
    asks_for_a_reset(false);
    asks_for_a_reset(true);
    asks_by_copy();
    waits_in_close();
    is_urgent();
    is_half_closed();
    has_notices();
    asks_by_linger2();
    is_left_by_all();
    listens_no_more();
    pause_ms(20); /* with the notices */
    ended("that was silent", 7);
    say_numbers();
}

/* A few of each, for what only writes the log in another way. A SIGPIPE of the library's would end
 * it. */
void play_few(void)
{
    struct linger zero = {1, 0};
    int fd;

    signal(SIGPIPE, SIG_DFL);
    begin_listening();
    CALL("close", close(early(0)));
    ended("early", 0);
    CALL("close", close(accepted(0)));
    ended("clean", 0);
    fd = accepted(0);
    set(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof(zero));
    CALL("close", close(fd));
    ended_as_asked("reset", 0);
    say_numbers();
}

/* Where its log was there is by and by another file, which the library does not take: it has a second
 * name. */
void play_moves(void)
{
    begin_listening();
    CALL("close", close(early(0)));
    ended("before", 0);
    close(open("moves.1", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (link("moves.1", "moves.2") < 0 || rename("moves.2", "moves") < 0)
        say("unable to put a file in its place");
    CALL("close", close(early(0)));
    ended("after", 0);
    CALL("close", close(early(0)));
    ended("after that", 0);
    say_numbers();
}

/* ---- Event loops ----------------------------------------------------------------------------- */

static int set_of_events;

static int registered(int slot)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = slot};
    int fd = early(slot);

    CALL("epoll_ctl", epoll_ctl(set_of_events, EPOLL_CTL_ADD, fd, &wanted));
    return fd;
}

/* What the program is told of it from now on. */
static void events_are(const char *label)
{
    struct epoll_event events[8];
    int n = epoll_wait(set_of_events, events, 8, 5);

    say("%s: %d events", label, n);
}

void play_epoll(void)
{
    struct epoll_event wanted = {.events = EPOLLIN};
    int fd;
    int copy;

    begin_listening();
    set_of_events = (int)CALL("epoll_create1", epoll_create1(EPOLL_CLOEXEC));
    CALL("epoll_ctl", epoll_ctl(set_of_events, EPOLL_CTL_ADD, listening, &wanted));
    fd = registered(0);
    events_are("while open");
    CALL("close", close(fd));
    ask_peer(PEER_FINISH, 0, 0);
    events_are("after close");
    ended("in a set", 0);
    fd = registered(1);
    CALL("epoll_ctl", epoll_ctl(set_of_events, EPOLL_CTL_DEL, fd, NULL));
    CALL("close", close(fd));
    ended("taken out of its set", 1);
    /* Registered by a number that goes first: bare, it goes on giving events until the other goes.
     */
    fd = registered(2);
    copy = (int)CALL("dup", dup(fd));
    CALL("close", close(fd));
    events_are("by its copy");
    CALL("close copy", close(copy));
    events_are("after its copy");
    ended("in a set by another number", 2);
    CALL("close", close(registered(3)));
    CALL("close the set", close(set_of_events));
    ended("before its set", 3);
    say_numbers();
}
