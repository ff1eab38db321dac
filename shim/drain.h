/*
 * Discards what is unread, without ever waiting and without copying.
 */
#ifndef SAFECLOSE_DRAIN_H
#define SAFECLOSE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct drained {
    uint64_t bytes; /* discarded; an urgent byte out of line is not counted */
    bool bound;     /* stopped at the bound, not at an empty queue */
};

/* Discards up to max bytes of fd's receive queue. Only for the sole owner of a TCP connection: the
 * bytes are gone for everyone who holds it. Never waits, keeps errno, callable from anywhere. */
struct drained drain(int fd, uint64_t max);

#endif
