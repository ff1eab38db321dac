/*
 * Discards what is unread, without ever waiting and without copying.
 */
#ifndef SAFECLOSE_DRAIN_H
#define SAFECLOSE_DRAIN_H

#include <stdint.h>

enum drained_end {
    DRAINED_EMPTY, /* the queue is empty, and the peer may send more */
    DRAINED_FIN,   /* the peer's FIN: nothing more can come */
    DRAINED_ERROR, /* the peer's reset, or it is out of reach: nothing is left to save */
    DRAINED_BOUND, /* the bound was reached */
};

struct drained {
    uint64_t bytes; /* discarded; an urgent byte out of line is not counted */
    enum drained_end end;
};

/* Discards up to max bytes of fd's receive queue. Only for the sole owner of a TCP connection: the
 * bytes are gone for everyone who holds it. Never waits, keeps errno, callable from anywhere. */
struct drained drain(int fd, uint64_t max);

#endif
