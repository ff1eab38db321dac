/*
 * A lot: a thread that keeps the connections lingering now ("parked"), and what it shares with the
 * threads of its process that watch it (remedy/lots.h). The essay is in linger.c.
 */
#ifndef SAFECLOSE_LOT_H
#define SAFECLOSE_LOT_H

#include "ground/rights.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LOT_MOST 16384  /* connections parked at a time */
#define LOT_GUESTS 64   /* of them, parked by processes of other rights */
#define LOT_STRIKES 100 /* faults of its guests in a second after which a lot takes no more */
#define LOT_HASTE 128   /* so many waiting end a nap */

enum lot_phase { LOT_STARTING, LOT_SETTLED, LOT_FAILED };
enum lot_finish { LOT_GOES_ON, LOT_RETIRED, LOT_PROCESS_EXITS };

/* In memory of this process alone, which a fork empties. "by ...": who writes the field. */
struct lot_control {
    _Atomic int thread; /* its thread id, after its end too; by the starter, lots_await_burial */
    _Atomic int
        phase; /* enum lot_phase, a futex: whether its descriptor table is its own; by the lot */
    _Atomic int welcome;    /* takes parcels; by the starter, by the lot when it takes no more */
    _Atomic int finish;     /* enum lot_finish: end when nothing is parked any more; by others */
    _Atomic int stop;       /* end now, for this reason (enum ended); by others */
    _Atomic uint32_t sent;  /* parcels of this process; by the thread that sends */
    _Atomic uint32_t taken; /* and received; by the lot */
    _Atomic int napping;    /* 1: a futex to wake it by */
    _Atomic int sees;       /* the threads of its process; by the lot, before phase */
    _Atomic int busy;       /* may hold a connection; by the lot */
    struct rights rights;   /* its thread's; by that, before phase and in a nudge */
};

/* The memory of one lot: its stack, what its thread has for thread-local storage, and the parked
 * connections. Bytes to map, whole pages. */
size_t lot_size(void);

/*
 * Starts the thread: feed is the end of a pair that parcels come from (parcel.h), log our log's
 * descriptor or -1; it has copies of both when control->phase is set. memory is of lot_size() bytes, and
 * of no lot that still runs; what a former one has left there is freed. *tid is its thread id until the
 * kernel says that it is gone. The caller has every signal blocked, as the thread will have but for
 * NUDGE_SIGNAL. The thread's id, or -errno. May be called wherever a hook can be entered.
 */
long lot_start(void *memory, struct lot_control *control, _Atomic int *tid, int feed, int log);

#endif
