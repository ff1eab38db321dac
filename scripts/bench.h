/*
 * What the programs of scripts/bench share: clocks, numbers, a place to run on, connections on
 * loopback. They know nothing of the library. Each says on its own top what it measures; scripts/bench
 * starts it with or without the library, and compares.
 *
 * Times are nanoseconds, as double. Nobody here handles errors: what fails ends the program.
 */
#ifndef SAFECLOSE_SCRIPTS_BENCH_H
#define SAFECLOSE_SCRIPTS_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
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

/* What a server reads of a request, and what it answers. A client may send more: that stays unread. */
#define BENCH_REQUEST 64
#define BENCH_RESPONSE 128

static inline _Noreturn void bench_fail(const char *what)
{
    fprintf(stderr, "%s: unable to %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

static inline _Noreturn void bench_usage(const char *usage)
{
    fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, usage);
    exit(2);
}

static inline long bench_number(const char *text)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end || value < 0 || errno) {
        fprintf(stderr, "%s: unable to use \"%s\": not a number from 0 up\n",
                program_invocation_short_name, text);
        exit(2);
    }
    return value;
}

static inline double bench_now(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t))
        bench_fail("read a clock");
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static inline void bench_sleep(double ns)
{
    struct timespec t = {(time_t)(ns / 1e9), (long)(ns - 1e9 * (double)(time_t)(ns / 1e9))};

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

static inline void bench_keep_least(double *least, double value)
{
    if (*least == 0 || value < *least)
        *least = value;
}

/* Puts a process (0: this one) on the first or the last processor that this one may use. A server that
 * shares its processor with the client now and then would at times do the network's work of both. */
static inline void bench_pin(pid_t pid, bool last)
{
    cpu_set_t all, one;
    int chosen = -1;

    if (sched_getaffinity(0, sizeof(all), &all))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && (chosen < 0 || last))
            chosen = cpu;
    if (chosen < 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    sched_setaffinity(pid, sizeof(one), &one);
}

static inline void bench_allow_many_files(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static inline int bench_listen(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(listener, 128) || getsockname(listener, (struct sockaddr *)&address, &len))
        bench_fail("listen on loopback");
    *port = ntohs(address.sin_port);
    return listener;
}

static inline int bench_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
        bench_fail("connect on loopback");
    return fd;
}

static inline int bench_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        bench_fail("accept");
    return fd;
}

/* Reads to the end; true where that is a reset. */
static inline bool bench_read_to_end(int fd)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        ;
    if (n < 0 && errno != ECONNRESET)
        bench_fail("read an answer");
    return n < 0;
}

#endif
