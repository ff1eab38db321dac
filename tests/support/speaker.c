/*
 * A program that makes the library in front of it speak: it closes TCP connections with data
 * unread, and between those closes does to its descriptors, limits and processes what programs do.
 * What it is to do is its arguments, step by step:
 *
 *     speaker unread:3 close:2 unread say:done
 *
 * The peer of its connections is another process, this same program started without any library in
 * front of it, so that nothing but this program's own closes is seen, and so that what the peer
 * read is told by a witness that knows nothing of the library. All addresses are of the loopback.
 */
#define _GNU_SOURCE
#include "listed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void unable(const char *what)
{
    dprintf(STDOUT_FILENO, "speaker: unable to %s: %s\n", what, strerror(errno));
    _exit(70);
}

static long check(long result, const char *what)
{
    if (result < 0)
        unable(what);
    return result;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

enum family { IPV4, IPV6, MAPPED };

/* MAPPED is what an IPv6 socket calls an IPv4 address; the peer's socket is a plain IPv4 one. */
static socklen_t loopback(enum family family, uint16_t port, struct sockaddr_storage *address)
{
    memset(address, 0, sizeof(*address));
    if (family == IPV4) {
        struct sockaddr_in *in = (struct sockaddr_in *)address;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    inet_pton(AF_INET6, family == IPV6 ? "::1" : "::ffff:127.0.0.1", &in6->sin6_addr);
    return sizeof(*in6);
}

static int tcp_socket(enum family family)
{
    int fd = socket(family == IPV4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return (int)check(fd, "create a socket");
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 address;
    socklen_t size = sizeof(address);

    check(getsockname(fd, (struct sockaddr *)&address, &size), "ask for a port");
    return ntohs(address.sin6_port); /* at the same place in a sockaddr_in */
}

static int listen_on(enum family family, uint16_t port)
{
    static const int on = 1, off = 0, room = 4 << 20;
    struct sockaddr_storage address;
    socklen_t size = loopback(family, port, &address);
    int fd = tcp_socket(family);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (family != IPV4)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    /* A megabyte must fit in unread; without privilege a hundred kilobytes do. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    check(bind(fd, (struct sockaddr *)&address, size), "bind");
    check(listen(fd, 128), "listen");
    return fd;
}

/* ---- The peer's process ------------------------------------------------------------------------ */

enum order_kind {
    CONNECT, /* to port, and send bytes; answered when they are sent */
    LISTEN,  /* on port or any; answered with it; then accept one and send bytes */
    FINISH,  /* read the last connection (the one bytes before the last) to its end; answered with
                what came, and how it ended */
};

struct order {
    enum order_kind kind;
    enum family family;
    uint16_t port;
    uint32_t bytes;
};

struct answer {
    long value;
    int error;
};

/* Connections stay open, so that nothing but the program under test ends one. */
enum { HELD = 512 };

struct peer {
    int connections[HELD];
    unsigned count;
};

static int last_of(const struct peer *peer, unsigned before)
{
    return peer->connections[(peer->count - 1 - before) % HELD];
}

static void hold(struct peer *peer, int fd)
{
    int *slot = &peer->connections[peer->count++ % HELD];

    if (peer->count > HELD)
        close(*slot);
    *slot = fd;
}

static void send_bytes(int fd, uint32_t count)
{
    static const char bytes[65536];

    while (count > 0) {
        size_t size = count < sizeof(bytes) ? count : sizeof(bytes);
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0)
            return; /* the other end is gone: its closing is what the test looks at */
        count -= (uint32_t)sent;
    }
}

static struct answer read_to_end(int fd)
{
    struct answer answer = {0, 0};
    char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        answer.value += n;
    answer.error = n < 0 ? errno : 0;
    return answer;
}

static void tell(const struct answer *answer)
{
    check(send(STDIN_FILENO, answer, sizeof(*answer), MSG_NOSIGNAL), "answer");
}

static void obey(struct peer *peer, const struct order *order)
{
    struct answer answer = {0, 0};
    struct sockaddr_storage address;
    socklen_t size;
    int fd;

    switch (order->kind) {
    case CONNECT:
        size = loopback(order->family, order->port, &address);
        fd = tcp_socket(order->family);
        check(connect(fd, (struct sockaddr *)&address, size), "connect");
        send_bytes(fd, order->bytes);
        hold(peer, fd);
        tell(&answer);
        break;
    case LISTEN:
        fd = listen_on(order->family, order->port);
        answer.value = port_of(fd);
        tell(&answer);
        hold(peer, (int)check(accept(fd, NULL, NULL), "accept"));
        close(fd);
        send_bytes(last_of(peer, 0), order->bytes);
        break;
    case FINISH:
        answer = read_to_end(last_of(peer, order->bytes));
        tell(&answer);
        break;
    }
}

/* Orders come on standard input, until the last process that could give any is gone. */
static int be_the_peer(void)
{
    static struct peer peer;
    struct order order;

    while (recv(STDIN_FILENO, &order, sizeof(order), 0) == sizeof(order))
        obey(&peer, &order);
    return 0;
}

/* ---- The program under test -------------------------------------------------------------------- */

struct speaker {
    int peer;     /* the way to the peer's process; closed on exec */
    int listener; /* -1: not needed yet */
    enum family family;
    uint16_t port;  /* to listen on, or to connect to; 0: any */
    uint32_t bytes; /* that a close leaves unread */
};

/* Written before main() only. */
static struct step {
    const char *name;
    void (*take)(struct speaker *s, const char *argument);
} steps[64];

/* The head of a step. */
#define STEP(function, name)                                                                       \
    static void function(struct speaker *s, const char *argument);                                 \
    LISTED(struct step, steps, name, function)                                                     \
    static void function(__attribute__((unused)) struct speaker *s,                                \
                         __attribute__((unused)) const char *argument)

static char **environment_without_library(void)
{
    static char *plain[1024];
    size_t count = 0;

    if (count > 0)
        return plain;
    for (char **e = environ; *e && count < 1023; e++)
        if (strncmp(*e, "LD_PRELOAD=", 11) != 0)
            plain[count++] = *e;
    plain[count] = NULL;
    return plain;
}

/* Standard output and error of the peer are not ours: a pipe that the test has closed, or waits for
 * the end of, must not stay open for it. */
static void start_peer(struct speaker *s)
{
    char *arguments[] = {"speaker", "--peer", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;

    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "make a socket pair");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    errno = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments,
                        environment_without_library());
    check(-errno, "start the peer");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    /* The numbers that the program was started without stay free for what it opens itself. */
    s->peer = (int)check(fcntl(ends[0], F_DUPFD_CLOEXEC, 10), "move a descriptor");
    close(ends[0]);
    s->listener = -1;
}

static struct answer ask(const struct speaker *s, enum order_kind kind, uint16_t port,
                         uint32_t count)
{
    struct order order = {
        .kind = kind,
        .family = s->family == MAPPED ? IPV4 : s->family,
        .port = port,
        .bytes = count,
    };
    struct answer answer;

    check(send(s->peer, &order, sizeof(order), MSG_NOSIGNAL), "reach the peer");
    if (recv(s->peer, &answer, sizeof(answer), 0) != sizeof(answer))
        unable("hear from the peer");
    return answer;
}

static int listener_of(struct speaker *s)
{
    if (s->listener < 0)
        s->listener = listen_on(s->family, s->port);
    return s->listener;
}

static int accept_one(struct speaker *s)
{
    int listener = listener_of(s);

    ask(s, CONNECT, port_of(listener), s->bytes);
    return (int)check(accept(listener, NULL, NULL), "accept");
}

static int open_one(struct speaker *s)
{
    struct sockaddr_storage address;
    uint16_t port = (uint16_t)ask(s, LISTEN, s->port, s->bytes).value;
    socklen_t size = loopback(s->family, port, &address);
    int fd = tcp_socket(s->family);

    check(connect(fd, (struct sockaddr *)&address, size), "connect");
    return fd;
}

static void wait_for_unread(int fd, uint32_t bytes)
{
    int unread = 0;
    int room = 0;
    socklen_t size = sizeof(room);

    check(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &size), "ask for room");
    errno = ENOBUFS;
    check((uint32_t)room < bytes ? -1 : 0, "leave so much unread");

    while (ioctl(fd, FIONREAD, &unread) == 0 && (uint32_t)unread < bytes)
        poll(NULL, 0, 1);
}

/* ---- Steps: each takes what stands behind its colon, "" if nothing does --------------------- */

static long number(const char *argument, long otherwise)
{
    return *argument ? strtol(argument, NULL, 0) : otherwise;
}

/* Each is one place in the program, as the library sees it, whatever the compiler makes of loops,
 * of last calls and of functions that are alike. */
__attribute__((noinline)) static void close_accepted(int fd)
{
    close(fd);
    __asm__ volatile("# accepted");
}

__attribute__((noinline)) static void close_opened(int fd)
{
    close(fd);
    __asm__ volatile("# opened");
}

/* unread:N - closes N connections that were accepted, each with bytes unread */
STEP(unread, "unread")
{
    for (long n = number(argument, 1); n > 0; n--) {
        int fd = accept_one(s);
        wait_for_unread(fd, s->bytes);
        close_accepted(fd);
    }
}

/* opened:N - the same, with connections that this program opened */
STEP(opened, "opened")
{
    for (long n = number(argument, 1); n > 0; n--) {
        int fd = open_one(s);
        wait_for_unread(fd, s->bytes);
        close_opened(fd);
    }
}

/* clean:N - closes N accepted connections with nothing unread */
STEP(clean, "clean")
{
    uint32_t bytes = s->bytes;

    s->bytes = 0;
    for (long n = number(argument, 1); n > 0; n--)
        close(accept_one(s));
    s->bytes = bytes;
}

/* shared - closes one with bytes unread, of which a duplicate stays open */
STEP(shared, "shared")
{
    int fd = accept_one(s);

    wait_for_unread(fd, s->bytes);
    check(dup(fd), "duplicate");
    close(fd);
}

static void print_name(int fd, int (*ask_name)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in in;
    socklen_t size = sizeof(in);
    char text[INET_ADDRSTRLEN];

    check(ask_name(fd, (struct sockaddr *)&in, &size), "ask for an address");
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
    dprintf(STDOUT_FILENO, " %s:%u", text, ntohs(in.sin_port));
}

/* facts - says of a connection, and then closes it with bytes unread: process, thread, descriptor,
 * own address, peer's address, the kernel's cookie */
STEP(facts, "facts")
{
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    int fd = accept_one(s);

    wait_for_unread(fd, s->bytes);
    check(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), "ask for a cookie");
    dprintf(STDOUT_FILENO, "%d %ld %d", getpid(), syscall(SYS_gettid), fd);
    print_name(fd, getsockname);
    print_name(fd, getpeername);
    dprintf(STDOUT_FILENO, " 0x%llx\n", (unsigned long long)cookie);
    close(fd);
}

/* answered:N - closes one with bytes unread after writing N bytes to it that its peer does not
 * read; says how many of them the peer's end has not taken */
STEP(answered, "answered")
{
    static const char bytes_out[1 << 20];
    size_t size = (size_t)number(argument, sizeof(bytes_out));
    const int room = 4 << 20;
    int unacked = 0, unsent = 1;
    int fd = accept_one(s);

    wait_for_unread(fd, s->bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
    check(send(fd, bytes_out, size, MSG_DONTWAIT) == (ssize_t)size ? 0 : -1, "write all of it");
    /* What the peer's end has room for is acknowledged soon, and the rest is not sent. */
    while (unacked != unsent) {
        check(ioctl(fd, SIOCOUTQNSD, &unsent), "ask what is unsent");
        check(ioctl(fd, SIOCOUTQ, &unacked), "ask what is unacknowledged");
        poll(NULL, 0, 1);
    }
    dprintf(STDOUT_FILENO, "%d\n", unacked);
    close(fd);
}

/* zero-linger - closes one with SO_LINGER {1,0} and nothing unread */
STEP(zero_linger, "zero-linger")
{
    struct linger linger = {1, 0};
    uint32_t bytes = s->bytes;
    int fd;

    s->bytes = 0;
    fd = accept_one(s);
    s->bytes = bytes;
    check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), "set SO_LINGER");
    close(fd);
}

/* pending:N - closes the listening socket with N connections waiting to be accepted */
STEP(pending, "pending")
{
    int listener = listener_of(s);

    for (long n = number(argument, 1); n > 0; n--)
        ask(s, CONNECT, port_of(listener), s->bytes);
    close(listener);
    s->listener = -1;
}

/* bytes:N - so many are left unread from here on */
STEP(bytes, "bytes")
{
    s->bytes = (uint32_t)number(argument, 0);
}

/* The listening socket of the family before stays open: its close would be one more to count. */
static void other_family(struct speaker *s, enum family family)
{
    s->listener = -1;
    s->family = family;
}

/* ipv6, mapped - the family of the connections from here on */
STEP(ipv6, "ipv6")
{
    other_family(s, IPV6);
}

STEP(mapped, "mapped")
{
    other_family(s, MAPPED);
}

/* port:N - where to listen, and where the peer does for connections that this program opens */
STEP(port, "port")
{
    s->port = (uint16_t)number(argument, 0);
}

/* end:N - what the peer of the last connection, or the one N before it, read, and how its reading
 * ended */
STEP(end, "end")
{
    struct answer answer = ask(s, FINISH, 0, (uint32_t)number(argument, 0));

    dprintf(STDOUT_FILENO, "peer: %ld bytes, %s\n", answer.value,
            answer.error ? strerror(answer.error) : "end of file");
}

/* say:TEXT */
STEP(say, "say")
{
    dprintf(STDOUT_FILENO, "%s\n", argument);
}

/* wait:WORD - prints WORD ("waiting"), and reads a line */
STEP(wait_for_line, "wait")
{
    char byte = 0;

    say(s, *argument ? argument : "waiting");
    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        ;
}

/* close:FD */
STEP(close_number, "close")
{
    if (close((int)number(argument, -1)) < 0)
        dprintf(STDOUT_FILENO, "close: %s\n", strerror(errno));
}

/* over:FD=FILE - dup2s FILE, opened for appending, over FD */
STEP(over, "over")
{
    int fd = (int)number(argument, -1);
    int file = open(strchr(argument, '=') + 1, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    check(dup2((int)check(file, "open a file"), fd), "dup2");
    if (file != fd)
        close(file);
}

/* reuse:FD=FILE - closes FD, the last reference to a file that is deleted, and puts on FD a new
 * file that the file system gave the same inode, where one of the next hundred gets it */
STEP(reuse, "reuse")
{
    int fd = (int)number(argument, -1);
    const char *name = strchr(argument, '=') + 1;
    struct stat before, now;
    int file = -1;

    check(fstat(fd, &before), "ask what a file is");
    close(fd);
    for (int i = 0; i < 100; i++) {
        char other[32];

        if (file >= 0) {
            snprintf(other, sizeof(other), "other.%d", i);
            check(rename(name, other), "rename");
        }
        file = (int)check(open(name, O_WRONLY | O_CREAT | O_EXCL, 0600), "create a file");
        check(fstat(file, &now), "ask what a file is");
        if (now.st_ino == before.st_ino && now.st_dev == before.st_dev)
            break;
    }
    check(dup2(file, fd), "dup2");
}

/* keep - accepts a connection with nothing to read in it, and does not close it */
STEP(keep, "keep")
{
    uint32_t count = s->bytes;

    s->bytes = 0;
    accept_one(s);
    s->bytes = count;
}

/* keep-as:FD - closes FD, and accepts a connection that gets its number */
STEP(keep_as, "keep-as")
{
    int fd = (int)number(argument, -1);

    listener_of(s);
    close(fd);
    keep(s, "");
    check(port_of(fd) == port_of(s->listener) ? 0 : -1, "get that number for a connection");
}

/* finish:FD - half-closes a connection, so that its peer can read to the end */
STEP(finish, "finish")
{
    check(shutdown((int)number(argument, -1), SHUT_WR), "half-close");
}

static bool is_needed(const struct speaker *s, int fd)
{
    return fd == s->peer || fd == s->listener;
}

/* close-all - as daemons do: closes every number from 3 to 1099 but the two it goes on using; says
 * how many of them were open */
STEP(close_all, "close-all")
{
    int closed = 0;

    for (int fd = 3; fd < 1100; fd++)
        closed += !is_needed(s, fd) && close(fd) == 0;
    dprintf(STDOUT_FILENO, "closed %d\n", closed);
}

/* raw-close-all - the same without libc's close */
STEP(raw_close_all, "raw-close-all")
{
    for (int fd = 3; fd < 1100; fd++)
        if (!is_needed(s, fd))
            syscall(SYS_close, fd);
}

/* range-close-all - the same with close_range */
STEP(range_close_all, "range-close-all")
{
    unsigned first = 3;

    for (int fd = 3; fd < 1100; fd++)
        if (is_needed(s, fd)) {
            if ((unsigned)fd > first)
                syscall(SYS_close_range, first, fd - 1, 0);
            first = (unsigned)fd + 1;
        }
    check(syscall(SYS_close_range, first, ~0U, 0), "close a range");
}

/* over-all:FILE - dup2s FILE over every open number from 3 up but the two it goes on using */
STEP(over_all, "over-all")
{
    int file = (int)check(open(argument, O_WRONLY | O_CREAT | O_APPEND, 0600), "open a file");

    for (int fd = 3; fd < 1100; fd++)
        if (fd != file && !is_needed(s, fd) && fcntl(fd, F_GETFD) >= 0)
            check(dup2(file, fd), "dup2");
}

STEP(change_root, "chroot")
{
    check(chroot(argument), "chroot");
    check(chdir("/"), "change to the new root");
}

STEP(change_directory, "chdir")
{
    check(chdir(argument), "change the directory");
}

STEP(change_user, "user")
{
    check(setuid((uid_t)number(argument, 65534)), "change the user");
}

static void limit(int resource, const char *argument)
{
    struct rlimit l;

    getrlimit(resource, &l);
    l.rlim_cur = strcmp(argument, "max") == 0 ? l.rlim_max : (rlim_t)number(argument, 0);
    check(setrlimit(resource, &l), "set a limit");
}

/* file-size:N - RLIMIT_FSIZE, "max" lifts it again */
STEP(file_size, "file-size")
{
    limit(RLIMIT_FSIZE, argument);
}

/* descriptors:N - RLIMIT_NOFILE */
STEP(descriptors, "descriptors")
{
    limit(RLIMIT_NOFILE, argument);
}

static void say_signal(int signal)
{
    dprintf(STDOUT_FILENO, "handler called for signal %d\n", signal);
}

/* handle:SIGNAL, block:SIGNAL, raise:SIGNAL, all by number; is-pending:SIGNAL says whether */
STEP(handle_signal, "handle")
{
    signal((int)number(argument, 0), say_signal);
}

STEP(block_signal, "block")
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, (int)number(argument, 0));
    sigprocmask(SIG_BLOCK, &set, NULL);
}

STEP(raise_signal, "raise")
{
    raise((int)number(argument, 0));
}

STEP(is_pending, "is-pending")
{
    sigset_t set;

    sigpending(&set);
    dprintf(STDOUT_FILENO, "signal %s is %spending\n", argument,
            sigismember(&set, (int)number(argument, 0)) ? "" : "not ");
}

/* shell:COMMAND - in a child without the library; $PPID is this program */
STEP(shell, "shell")
{
    char *arguments[] = {"sh", "-c", (char *)argument, NULL};
    pid_t pid;

    errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environment_without_library());
    check(-errno, "start a shell");
    waitpid(pid, NULL, 0);
}

struct talk {
    struct speaker speaker;
    pthread_t thread;
    const char *argument;
};

static void *talk(void *arg)
{
    struct talk *t = arg;

    unread(&t->speaker, t->argument);
    return NULL;
}

/* threads:N=CLOSES - N threads make CLOSES unread closes each, at the same time */
STEP(threads, "threads")
{
    static struct talk talks[64];
    long count = number(argument, 2);

    /* All peers are started before the first connection: what a process starts may hold what was
     * open then, so that nobody could be sure of who else holds a connection. */
    for (long i = 0; i < count; i++) {
        talks[i].speaker = *s;
        talks[i].argument = strchr(argument, '=') + 1;
        start_peer(&talks[i].speaker);
    }
    for (long i = 0; i < count; i++) {
        errno = pthread_create(&talks[i].thread, NULL, talk, &talks[i]);
        check(-errno, "start a thread");
    }
    for (long i = 0; i < count; i++)
        pthread_join(talks[i].thread, NULL);
}

/* children:N - N children, all at the same time, go through the rest of the steps; the program
 * itself waits for them, and ends */
STEP(children, "children")
{
    struct speaker child = *s;
    pid_t pids[64];
    long count = number(argument, 1);

    for (long i = 0; i < count; i++) {
        start_peer(&child);
        pids[i] = (pid_t)check(fork(), "fork");
        if (pids[i] == 0) {
            *s = child;
            return;
        }
        close(child.peer);
    }
    for (long i = 0; i < count; i++)
        waitpid(pids[i], NULL, 0);
    exit(0);
}

/* Whether somebody holds a connection of this port, as the kernel says: the file number of what nobody holds is
 * 0, and a listening socket is no connection. */
static bool is_held(uint16_t port)
{
    FILE *table = fopen("/proc/net/tcp", "re");
    unsigned long file;
    unsigned local, state;
    char line[256];
    bool held = false;

    while (table && fgets(line, sizeof(line), table))
        held |= sscanf(line, "%*d: %*x:%x %*x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &local,
                       &state, &file) == 3 &&
                local == port && state != 10 && file;
    if (table)
        fclose(table);
    return held;
}

/* Waits until what was closed, and lingers, is given up. For IPv4, and at most a minute. */
STEP(settle, "settle")
{
    for (int i = 0; i < 6000 && is_held(port_of(listener_of(s))); i++)
        usleep(10000);
}

STEP(exit_with, "exit")
{
    exit((int)number(argument, 0));
}

static void take(struct speaker *s, const char *word)
{
    size_t len = strcspn(word, ":");

    for (struct step *step = steps; step->name; step++)
        if (strlen(step->name) == len && memcmp(step->name, word, len) == 0) {
            step->take(s, word + len + (word[len] == ':'));
            return;
        }
    errno = EINVAL;
    unable(word);
}

int main(int argc, char **argv)
{
    struct speaker speaker = {.bytes = 5};

    if (argc > 1 && strcmp(argv[1], "--peer") == 0)
        return be_the_peer();
    start_peer(&speaker);
    for (int i = 1; i < argc; i++)
        take(&speaker, argv[i]);
    return 0;
}
