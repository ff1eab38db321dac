/*
 * What hostile_server, its peers (hostile_peers) and its honest clients (hostile_good) have in
 * common. A client begins with a request: so much of what follows it is read before the answer, so
 * long is the answer. Whatever else the client sends stays unread, and the server closes as soon as
 * the kernel has taken the answer. The answer's bytes are owner_byte's.
 */
#ifndef SAFECLOSE_TESTS_HOSTILE_H
#define SAFECLOSE_TESTS_HOSTILE_H

#include "owner.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

enum { HOSTILE_ANSWER_MOST = 1 << 20 };

struct hostile_request {
    uint32_t answer;
    uint32_t body;
};

static inline int64_t hostile_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As many descriptors as it may take, for root; for others, as this user may have. */
static inline void hostile_raise_limit(void)
{
    struct rlimit limit = {1 << 17, 1 << 17};

    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    must(getrlimit(RLIMIT_NOFILE, &limit), "know the limit of descriptors");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit), "raise the limit of descriptors");
}

/* A socket with an address of its own, the I-th in 127.1.0.0/16 and what follows: ports of one
 * address don't suffice for many connections. */
static inline int hostile_socket(unsigned i, int type)
{
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type, 0), "make a socket");
    int one = 1;
    struct sockaddr_in own = {.sin_family = AF_INET};

    own.sin_addr.s_addr = htonl(0x7f010001 + (i % 250) + (i / 250 % 250 << 8));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    must(bind(fd, (struct sockaddr *)&own, sizeof own), "bind to an address");
    return fd;
}

static inline int hostile_connect(int fd, int port)
{
    struct sockaddr_in server = net_loopback(port);

    return connect(fd, (struct sockaddr *)&server, sizeof server);
}

#endif
