/*
 * What the files of a lot's thread share (lot.c, lot_*.c). All of it is the thread's alone, and is called by it alone.
 *
 * A parked connection is known by its number in the thread's own descriptor table, fd. Of the orders it stands in
 * (slots.h) BY_SILENCE has all of them, BY_GUEST the guests, and each is in one of BY_NAP (just taken), BY_DOUBT
 * (a thread of the program, or a relative, may still use it: not ours to touch) and BY_LOOK (ours).
 */
#ifndef SAFECLOSE_LOT_STATE_H
#define SAFECLOSE_LOT_STATE_H

#include "holders/threads.h"
#include "remedy/lot.h"
#include "remedy/slots.h"
#include "report/event.h"

#include <stdbool.h>
#include <stdint.h>

/* The numbers in the thread's own descriptor table. */
enum { FEED, LOG, EPOLL, TASKS, FIRST };

#define SECOND_NS 1000000000
/* The most events of one epoll_wait, and the most notices read of one connection, before the others' turn. The events
 * are on the stack: 64 on x86, where the struct is packed, 48 elsewhere. */
#define EVENTS ((int)(768 / sizeof(struct epoll_event)))
#define LOOK_NS 10000000 /* one look at threads in this time, on average */
#define LOOKS_AT_ONCE 5  /* so many may come early */

struct lot {
    struct lot_control *control;
    int feed; /* in the program's table, of which the thread begins with a copy */
    int log;
    long
        diag; /* number of the socket that asks what became of what is closed, -errno; 0: not opened yet */
    bool has_senders; /* somebody can still send parcels */
    uint32_t parked;
    uint32_t guests; /* of them */
    int64_t now;
    int64_t second; /* in which strikes are counted */
    unsigned strikes;
    unsigned spared; /* since now, by evict */
    int64_t period;  /* between two looks */
    int64_t looks;   /* when the looks at threads that there were would be due */
    struct threads threads;
    struct slots slots;
};

static inline int64_t lot_earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline struct parked *lot_at(struct lot *lot, int fd)
{
    return slots_at(&lot->slots, fd);
}

/* ---- lot_end.c: its last moment, and what is told of it ---- */

/* How many bytes may be discarded in one turn. A connection that does not linger has only one turn. */
uint64_t lot_turn_of(const struct parked *p);

/* Closes it, and waits for nothing. */
void lot_close_as_it_is(int fd, const struct parked *p);

/* Drains what may be drained, closes, and tells. It stands in no order. */
void lot_let_go(struct lot *lot, int fd, struct parked *p, enum ended ended);

void lot_leave_orders(struct lot *lot, int fd, struct parked *p);

/* Leaves the orders, and is let go. */
void lot_end(struct lot *lot, int fd, enum ended ended);

/* ---- lot_linger.c: while it lingers ---- */

void lot_take_time(struct lot *lot);

/* The peer was heard of: it is the last of the silent. */
void lot_note_moved(struct lot *lot, int fd);

/* Discards what came. True if that was the end of it, and it is gone. */
bool lot_discard(struct lot *lot, int fd);
void lot_discard_notices(int fd);

/* True if all that was owed has arrived, and it is gone. */
bool lot_end_delivered(struct lot *lot, int fd);

void lot_note_unacked(struct lot *lot, int fd);
void lot_reset_options(int fd);
void lot_put_into(struct lot *lot, int fd, enum order order);

/* From here on it is ours to discard. All: of those that were taken since the last nap. */
void lot_welcome(struct lot *lot, int fd);
void lot_welcome_all(struct lot *lot);

/* Those whose look is due: their limits. */
void lot_look(struct lot *lot);

/* Those that linger, for this reason: all, or those whose output has arrived. */
void lot_end_lingering(struct lot *lot, enum ended reason, bool all);

/* Ends the first in this order, unless it was not silent. */
void lot_evict(struct lot *lot, enum order order);
void lot_strike(struct lot *lot);
void lot_make_room_of_guests(struct lot *lot);

/* ---- lot_doubt.c: while a thread or a relative may use it ---- */

bool lot_may_look(const struct lot *lot);

/* Looks at the program's threads, if it is time to, and settles what that proves. */
void lot_settle_doubts(struct lot *lot);

/* The same at the end, within two looks: what is not proven is closed untouched. */
void lot_settle_last_doubts(struct lot *lot);

/* ---- lot_parcel.c: how it comes ---- */

/* False if nothing waits any more. */
bool lot_take_parcels(struct lot *lot);

/* Takes what waits, and no more. */
void lot_close_feed(struct lot *lot);

#endif
