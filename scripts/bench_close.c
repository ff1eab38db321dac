/*
 * The patterns that scripts/bench measures, each a subcommand, so that one side can run with the
 * library and the other without it. Whatever is measured is measured here, between two clock
 * readings in the process that closes; scripts/bench only starts, alternates and compares.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* What a server reads of a request, and what it answers. A request may be longer: that is unread.
 */
#define REQUEST 64
#define RESPONSE 128

/* Connections before the clock starts: the first ones fault in pages and grow tables. */
#define WARM_UP 50

/* Connections to one server before the client turns to the other one. */
#define TURN 25

/* Descriptors open at a time where only closes are timed; below the usual limit of 1024. */
#define BATCH 400

#define DISCARD_BUFFER 65536

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_close: unable to %s: %s\n", what, strerror(errno));
    exit(1);
}

static long number(const char *text)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end || value < 0 || errno) {
        fprintf(stderr, "bench_close: unable to use \"%s\": not a number from 0 up\n", text);
        exit(1);
    }
    return value;
}

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* Nanoseconds of processor time of this process, in the program and in the kernel. */
static double cpu_used(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return 1e9 * (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e3 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* Puts this process on the first or the last processor it may use: a server that shares its
 * processor with the client now and then would do the work of the client's side too. */
static void pin(bool last)
{
    static cpu_set_t all; /* as it was before the first call, here or in the parent */
    cpu_set_t one;
    int chosen = -1;

    if (CPU_COUNT(&all) == 0 && sched_getaffinity(0, sizeof(all), &all))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && (chosen < 0 || last))
            chosen = cpu;
    if (chosen < 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

/* ---- A server and its client ------------------------------------------------------------- */

static int listen_anywhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0)
        fail("make a socket");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 128) ||
        getsockname(listener, (struct sockaddr *)&address, &len))
        fail("listen on loopback");
    *port = ntohs(address.sin_port);
    return listener;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        fail("make a socket");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
        fail("connect");
    return fd;
}

/* Reads one request, or the first REQUEST bytes of a longer one, answers and closes. */
static void answer(int fd)
{
    static const char response[RESPONSE] = "response";
    char request[REQUEST];

    if (read(fd, request, sizeof(request)) != sizeof(request))
        fail("read a request");
    if (write(fd, response, sizeof(response)) != sizeof(response))
        fail("write a response");
    close(fd);
}

/* serve COUNT [HELD]: prints its port, then nanoseconds of its own processor time for a connection;
 * the first HELD ones don't count. */
static int serve(char **arg)
{
    long count = number(arg[0]);
    long before = WARM_UP + (arg[1] ? number(arg[1]) : 0);
    uint16_t port;
    int listener = listen_anywhere(&port);
    double start = 0;

    pin(false);
    printf("%u\n", port);
    fflush(stdout);
    for (long i = 0; i < before + count; i++) {
        int fd;

        if (i == before)
            start = cpu_used();
        fd = accept(listener, NULL, NULL);
        if (fd < 0)
            fail("accept");
        answer(fd);
    }
    printf("%.0f\n", count ? (cpu_used() - start) / (double)count : 0);
    return 0;
}

/* Sends a request of EXTRA bytes too many, reads to the end. True where that was a reset. */
static bool ask_once(uint16_t port, size_t extra)
{
    static char bytes[REQUEST + 65536];
    int fd = connect_to(port);
    ssize_t got;
    bool reset;

    if (write(fd, bytes, REQUEST + extra) != (ssize_t)(REQUEST + extra))
        fail("write a request");
    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        ;
    reset = got < 0;
    if (reset && errno != ECONNRESET)
        fail("read a response");
    close(fd);
    return reset;
}

/* hold HELD COUNT PORT: keeps HELD connections open for good, although the server has closed them,
 * and then has COUNT answered. */
static int hold(char **arg)
{
    long held = number(arg[0]), count = WARM_UP + number(arg[1]);
    uint16_t port = (uint16_t)number(arg[2]);
    char bytes[REQUEST + RESPONSE] = {0};
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    pin(true);
    for (; held > 0; held--) {
        int fd = connect_to(port);

        if (write(fd, bytes, REQUEST) != REQUEST)
            fail("write a request");
        while (read(fd, bytes, sizeof(bytes)) > 0)
            ;
    }
    for (; count > 0; count--)
        ask_once(port, 0);
    return 0;
}

/* ask COUNT EXTRA PORT [PORT]: COUNT connections to each server, in turns; prints for each how many
 * ended in a reset. */
static int ask(char **arg)
{
    long left = WARM_UP + number(arg[0]);
    size_t extra = (size_t)number(arg[1]);
    uint16_t ports[2] = {(uint16_t)number(arg[2]), arg[3] ? (uint16_t)number(arg[3]) : 0};
    int servers = arg[3] ? 2 : 1;
    long resets[2] = {0, 0};

    if (extra > 65536) {
        errno = EMSGSIZE;
        fail("send so much");
    }
    pin(true);
    for (bool swap = false; left > 0; left -= TURN, swap = !swap)
        for (int turn = 0; turn < servers; turn++) {
            /* ABBA, so that neither always comes first. */
            int server = servers == 2 && swap ? 1 - turn : turn;

            for (int i = 0; i < TURN && i < left; i++)
                resets[server] += ask_once(ports[server], extra);
        }
    printf("%ld %ld\n", resets[0], resets[1]);
    return 0;
}

/* ---- Connections that the closing process did not open --------------------------------------- */

static void send_descriptor(int socket, int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {"c", 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    if (sendmsg(socket, &message, 0) != 1)
        fail("pass a connection");
}

static int receive_descriptor(int socket)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header;
    int fd;

    if (recvmsg(socket, &message, 0) != 1)
        fail("receive a connection");
    header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_type != SCM_RIGHTS) {
        errno = EPROTO;
        fail("receive a connection");
    }
    memcpy(&fd, CMSG_DATA(header), sizeof(int));
    return fd;
}

/* receive COUNT: answers and closes the connections that arrive on descriptor 0. */
static int receive(char **arg)
{
    for (long left = number(arg[0]); left > 0; left--)
        answer(receive_descriptor(0));
    return 0;
}

/* pass COUNT COMMAND...: runs COMMAND and passes it COUNT accepted connections on its descriptor 0.
 */
static int pass(char **arg)
{
    char request[REQUEST] = "request", response[RESPONSE];
    long count = number(arg[0]);
    uint16_t port;
    int listener, pair[2], status;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        fail("make a pair of sockets");
    child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        dup2(pair[1], 0);
        close(pair[0]);
        close(pair[1]);
        execvp(arg[1], arg + 1);
        fail("run the command");
    }
    close(pair[1]);
    listener = listen_anywhere(&port);
    for (long i = 0; i < count; i++) {
        int ours = connect_to(port);
        int theirs = accept(listener, NULL, NULL);

        if (theirs < 0)
            fail("accept");
        send_descriptor(pair[0], theirs);
        /* The request comes last: the other side closes only once it is the sole owner. */
        close(theirs);
        if (write(ours, request, sizeof(request)) != sizeof(request))
            fail("write a request");
        while (read(ours, response, sizeof(response)) > 0)
            ;
        close(ours);
    }
    if (waitpid(child, &status, 0) != child || status) {
        errno = ECHILD;
        fail("see the command succeed");
    }
    return 0;
}

/* ---- Closes of what is not TCP ----------------------------------------------------------------
 */

/* Opens one or two descriptors of a kind into fds; how many. */
static int open_kind(const char *kind, int fds[2])
{
    if (!strcmp(kind, "pipe"))
        return pipe(fds) ? -1 : 2;
    if (!strcmp(kind, "unix"))
        return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ? -1 : 2;
    if (!strcmp(kind, "file"))
        fds[0] = open("/proc/self/exe", O_RDONLY);
    else if (!strcmp(kind, "udp"))
        fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
    else {
        errno = EINVAL;
        return -1;
    }
    return fds[0] < 0 ? -1 : 1;
}

/* drop KIND COUNT: prints nanoseconds of processor time for one close. */
static int drop(char **arg)
{
    long count = number(arg[1]);
    double used = 0;
    long closed = 0;

    while (closed < count) {
        int fds[BATCH + 1];
        int open = 0;
        double start;

        while (open < BATCH && open < count - closed) {
            int opened = open_kind(arg[0], fds + open);

            if (opened < 0)
                fail("open what is to be closed");
            open += opened;
        }
        start = now(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < open; i++)
            close(fds[i]);
        used += now(CLOCK_THREAD_CPUTIME_ID) - start;
        closed += open;
    }
    printf("%.1f\n", closed ? used / (double)closed : 0);
    return 0;
}

/* ---- A program's start, an idle program ---------------------------------------------------------
 */

static double start_once(char **command, char **environment)
{
    double start = now(CLOCK_MONOTONIC);
    int status;
    pid_t child;

    errno = posix_spawn(&child, command[0], NULL, NULL, command, environment);
    if (errno)
        fail("start the program");
    if (waitpid(child, &status, 0) != child || status) {
        errno = ECHILD;
        fail("see the program succeed");
    }
    return now(CLOCK_MONOTONIC) - start;
}

/* start PAIRS COUNT LIBRARY COMMAND...: each pair is COUNT starts without and COUNT with the
 * library, in turns; prints microseconds for one start of each. */
static int start(char **arg)
{
    long pairs = number(arg[0]), count = number(arg[1]);
    char *preload, *with[64];
    int n = 0;

    if (asprintf(&preload, "LD_PRELOAD=%s", arg[2]) < 0)
        fail("get memory");
    with[n++] = preload;
    for (char **e = environ; *e && n < 63; e++)
        with[n++] = *e;
    with[n] = NULL;
    for (; pairs > 0; pairs--) {
        double sum[2] = {0, 0};

        for (long i = 0; i < count; i++) {
            sum[0] += start_once(arg + 3, with + 1);
            sum[1] += start_once(arg + 3, with);
        }
        printf("%.1f %.1f\n", sum[0] / (double)count / 1e3, sum[1] / (double)count / 1e3);
    }
    free(preload);
    return 0;
}

/* idle: says that it is there and does nothing until its input ends. */
static int idle(char **arg)
{
    char byte;

    (void)arg;
    if (write(1, "ready\n", 6) != 6)
        fail("say so");
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}

/* ---- Discarding -------------------------------------------------------------------------- */

static ssize_t discard_by_reading(int fd, int flags)
{
    static char buffer[DISCARD_BUFFER];

    return recv(fd, buffer, sizeof(buffer), flags);
}

static ssize_t discard_in_place(int fd, int flags)
{
    return recv(fd, NULL, INT_MAX, MSG_TRUNC | flags);
}

typedef ssize_t discard_way(int fd, int flags);

/* Discards what is in the receive queue already, as the library does at a close. How fast somebody
 * sends does not count: the clock stands still while the queue is filled. */
static double discard_queued(int from, int to, double bytes, discard_way *discard)
{
    static const char source[1 << 18];
    double took = 0, done = 0;

    while (done < bytes) {
        double begin;
        ssize_t n;

        while (send(from, source, sizeof(source), MSG_DONTWAIT) > 0)
            ;
        if (errno != EAGAIN)
            fail("fill a receive queue");
        begin = now(CLOCK_MONOTONIC);
        while ((n = discard(to, MSG_DONTWAIT)) > 0)
            done += (double)n;
        took += now(CLOCK_MONOTONIC) - begin;
        if (n == 0 || errno != EAGAIN)
            fail("discard");
    }
    return took * (bytes / done);
}

/* Discards what another process sends as fast as it can, which may well be slower than this. */
static double discard_stream(int from, int to, double bytes, discard_way *discard)
{
    static const char source[1 << 18];
    double begin = now(CLOCK_MONOTONIC), done = 0;
    pid_t child = fork();
    ssize_t n;

    if (child < 0)
        fail("fork");
    if (child == 0) {
        pin(true);
        for (double sent = 0; sent < bytes; sent += (double)n) {
            n = send(from, source, sizeof(source), 0);
            if (n < 0)
                fail("send");
        }
        _exit(0);
    }
    while (done < bytes) {
        n = discard(to, 0);
        if (n <= 0)
            fail("discard");
        done += (double)n;
    }
    begin = now(CLOCK_MONOTONIC) - begin;
    waitpid(child, NULL, 0);
    return begin;
}

/* discard queued|stream PAIRS MEGABYTES: prints milliseconds by a read loop, and in place. */
static int discard(char **arg)
{
    double (*run)(int, int, double, discard_way *) =
        strcmp(arg[0], "stream") ? discard_queued : discard_stream;
    long pairs = number(arg[1]);
    double bytes = 1048576.0 * (double)number(arg[2]);
    uint16_t port;
    int listener = listen_anywhere(&port);
    int from = connect_to(port);
    int to = accept(listener, NULL, NULL);

    if (to < 0)
        fail("accept");
    pin(false);
    /* Once for nothing: the kernel tunes the window to what it sees. */
    run(from, to, bytes / 8, discard_by_reading);
    for (; pairs > 0; pairs--) {
        double reading = run(from, to, bytes, discard_by_reading);
        double in_place = run(from, to, bytes, discard_in_place);

        printf("%.2f %.2f\n", reading / 1e6, in_place / 1e6);
    }
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(char **arg);
    int least_arguments;
} commands[] = {
    {"serve", serve, 1},     {"hold", hold, 3}, {"ask", ask, 3},
    {"receive", receive, 1}, {"pass", pass, 2}, {"drop", drop, 2},
    {"start", start, 4},     {"idle", idle, 0}, {"discard", discard, 3},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
            argc - 2 >= commands[i].least_arguments)
            return commands[i].run(argv + 2);
    fprintf(stderr, "bench_close: unable to understand the arguments: see scripts/bench\n");
    return 2;
}
