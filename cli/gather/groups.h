/*
 * Closes that belong together: of one call site and cause, or of one peer, process and so on. Each adds up what its
 * events say.
 *
 * Bounded: when a table is full, the lighter half of its groups (by what was lost, then by how many closes) is added
 * to one group for the rest, and makes room. So a group that is heavy stays, whenever it comes; one that was put away and
 * comes again begins anew, and what it had before is in the rest.
 */
#ifndef SAFECLOSE_GROUPS_H
#define SAFECLOSE_GROUPS_H

#include "gather/sample.h"
#include "gather/tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMES_MOST 32

/* A return address: offset in a module, as nm and addr2line count. Without a module (code made at run time), the
 * address itself. */
struct frame {
    uint64_t offset;
    uint32_t module; /* a string, the path; STRINGS_EMPTY: none */
    uint32_t build;  /* a string, the build-id that it had, where the log says so */
};

struct totals {
    uint64_t closes;      /* with a cause for a reset */
    uint64_t resets;      /* those that were reset at the close, or later */
    uint64_t unconfirmed; /* of them, those of which the kernel could not be asked */
    uint64_t later;       /* of them, those that were held at their close or were lingering */
    uint64_t mended;      /* drained or lingering, and not reset in the end */
    uint64_t acted;       /* drained or lingering, and not reset at the close: never falls */
    uint64_t undone;      /* of them, those reset in the end: never falls */
    uint64_t passed;      /* left alone, although drain or linger was asked for */
    uint64_t held;        /* still held by somebody: nothing was sent at this close */
    uint64_t unknown;     /* whose outcome is unknown */
    uint64_t clients;     /* that waited to be accepted, and were reset */
    uint64_t unmeasured;  /* resets of which the log doesn't say how much output was on its way */
    uint64_t unacked;     /* bytes of output that resets may have thrown away */
    uint64_t unsent;      /* that they threw away for certain */
    uint64_t discarded;   /* unread bytes that drain and linger discarded */
    int64_t first, last;  /* microseconds since 1970 */
};

struct group {
    uint64_t key;
    uint32_t label; /* a string: the peer, the process, ...; of a call site the program */
    uint32_t cause; /* a string; of other groups, the cause of the first event */
    uint32_t via;   /* of the first event */
    unsigned depth;
    struct frame frames[FRAMES_MOST]; /* of the first event, innermost first */
    struct totals totals;
    struct sample unread, unacked, unsent, linger_ms;
    /* Whose connections these were, and how far the program had come with them. */
    uint64_t accepted, opened, progress_known, untouched, answered, ended;
    uint32_t local_port, peer_port;
    bool local_ports_differ, peer_ports_differ;
};

struct groups {
    struct group **sorted; /* after groups_sort: the heaviest first */
    struct group *all;
    uint32_t *slots;
    uint32_t count, most;
    struct totals rest; /* of those that were put away */
    uint64_t put_away;
};

void groups_begin(struct groups *groups, uint32_t most);

/* The group with this key; a new one has nothing but the key. Good until the next call. */
struct group *groups_get(struct groups *groups, uint64_t key);

bool groups_have(const struct groups *groups, uint64_t key);
void groups_sort(struct groups *groups);
void totals_add(struct totals *to, const struct totals *from);

#endif
