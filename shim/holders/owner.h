/*
 * Does this close drop the last reference to the open file description? Only then does the kernel
 * send anything, and only then may a remedy touch the connection: everybody else's data would be
 * stolen.
 */
#ifndef SAFECLOSE_OWNER_H
#define SAFECLOSE_OWNER_H

#include "ground/fdtable.h"
#include "holders/holders.h"
#include "settings/config.h"
#include "tcp/probe.h"

enum owner {
    OWNER_SOLE,    /* proven: no one else can hold it */
    OWNER_SHARED,  /* somebody else does */
    OWNER_UNKNOWN, /* can't be proven */
};

/* A close: what is known of it, and what was decided. */
struct close {
    int fd;
    struct fd_info *info;
    const struct probe *probe;
    enum mode mode; /* in which it is */
    bool no_output; /* the send queue is known to be empty */
    bool
        unasked; /* the state of the connection in probe is the likely one, not the kernel's word */
    uint32_t unread; /* bytes known to be unread */
    enum held held;  /* as holders_give_up said */
    int number;      /* the other one, where it is held here */
    bool acts;       /* something will be done if it is ours alone */
    bool lingers;    /* and that is to be parked */
    bool threads;    /* another thread of this process may be in a call on it */
    unsigned first;  /* the range of numbers that is closed with it; both 0: it alone */
    unsigned last;
    bool exiting; /* the process ends, and soon its other threads and their calls */
};

/* Whether another number of this process, or another process, may hold the connection. */
static inline bool owner_may_be_others(const struct close *c)
{
    return c->held == HELD_HERE || c->held == HELD_ELSEWHERE;
}

/* Who else holds the connection, once holders_give_up has answered for other numbers and processes. Threads are
 * the lot's to ask about. No question to the kernel. */
enum owner owner_of(struct close *c);

/* What fd_info.peer holds for this address; never 0 for a known one. */
uint64_t owner_peer_hash(const struct endpoint *peer);

/* Whether the entry is of the connection that stands behind the number now: the program may have
 * closed it in a way that nobody sees, and have got another. A listening socket has no peer to
 * compare. Of the probe the peer and the state are used. Asks nobody. */
bool owner_is_of_this_connection(const struct fd_info *info, const struct probe *probe);

#endif
