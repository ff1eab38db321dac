/* What the parts of linger_epoll share. */
#ifndef TESTS_LINGER_EPOLL_H
#define TESTS_LINGER_EPOLL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "play.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

enum { SETS = 3 };

struct connection {
    int fd;
    bool dead;
};

/* How a connection is put into the epoll sets, and how it is closed. A list ends with a name of NULL. */
struct way {
    const char *name;
    void (*put_in)(struct connection *c);
    void (*close)(struct connection *c);
    void (*prepare)(void); /* before there are connections; NULL */
};

extern const struct way ring_ways[], family_ways[];
extern int sets[SETS];

typedef int epoll_ctl_call(int set, int operation, int fd, struct epoll_event *event);
void add(epoll_ctl_call *call, int set, int fd, uint32_t events, void *what);

/* The plainest way to do either. */
void level(struct connection *c);
void close_it(struct connection *c);

/* Out of the first set. */
void take_out(struct connection *c);
void take_out_and_close(struct connection *c);

/* A child does its part, and ends; then the parent closes. */
void child_first(struct connection *c, void (*part)(struct connection *c));

#endif
