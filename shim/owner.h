/*
 * Does this close drop the last reference to the open file description? Only then does the kernel
 * send anything, and only then may a remedy touch the connection: everybody else's data would be
 * stolen.
 */
#ifndef SAFECLOSE_OWNER_H
#define SAFECLOSE_OWNER_H

#include "fdtable.h"
#include "probe.h"

enum owner {
    OWNER_SOLE,    /* proven: no one else can hold it */
    OWNER_SHARED,  /* somebody else does */
    OWNER_IN_USE,  /* a call in another thread may be in progress, which is a reference too */
    OWNER_UNKNOWN, /* can't be proven */
};

/* Who holds fd besides us, from what was noted of it and what the kernel answered. No question more
 * to the kernel unless the process has threads. */
enum owner owner_of(int fd, const struct fd_note *note, const struct probe *probe);

/* What fd_note.peer holds for this address; never 0 for a known one. */
uint64_t owner_peer_hash(const struct endpoint *peer);

#endif
