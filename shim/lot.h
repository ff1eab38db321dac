/*
 * The lot: the thread that keeps the connections lingering now ("parked"), and what it shares with
 * those who park them (linger.c, whose essay tells the design). Only linger.c includes this.
 */
#ifndef SAFECLOSE_LOT_H
#define SAFECLOSE_LOT_H

#include "event.h"
#include "inuse.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOT_MOST 16384            /* connections parked at a time */
#define LOT_MEMORY (256ULL << 20) /* bytes of their output that the kernel holds unacknowledged */
#define LOT_SHARE (LOT_MEMORY / LOT_MOST) /* where all have no more there is enough */
#define LOT_STACK 32768
#define LOT_FEED 0         /* the number of its end of the pair, in its own table */
#define LOT_NAP_NS 3000000 /* how long it collects before it looks again */
#define LOT_HASTE 128      /* so many waiting end a nap */

/* A message to the lot. A connection comes with one of the first kind (SCM_RIGHTS). */
enum parcel_kind {
    PARCEL_CONNECTION,
    PARCEL_FINISH, /* end when nothing is parked any more */
    PARCEL_STOP,   /* end now: drain and close what is parked; page->stop says why */
    PARCEL_COUNT
};

struct parcel {
    uint8_t kind;
    uint8_t via;
    uint8_t cause;
    bool told;       /* its close was written to the log, so its end will be */
    bool half_close; /* which is the lot's to do, when those in later were seen elsewhere */
    bool tuned;      /* the program may have set SO_LINGER or SO_RCVLOWAT */
    int fd;          /* the number it had, and whose it was */
    int pid;
    int tid;
    struct endpoint peer;     /* when it comes here the connection may be over, and have none */
    struct inuse_later later; /* who may be in a call on it, of the process pid */
};

/* Of a parcel travels what it holds: the smaller it is, the more can be under way. */
static inline size_t lot_parcel_size(const struct parcel *parcel)
{
    return offsetof(struct parcel, later.thread) +
           (size_t)parcel->later.count * sizeof(parcel->later.thread[0]);
}

/* In memory that fork shares, so that a fork child can feed its parent's lot. */
struct lot_page {
    _Atomic int owner;       /* the process whose thread it is; by the owner, once */
    _Atomic int tid;         /* of the thread: 0 when it is gone, by the kernel, which wakes */
    _Atomic int settled;     /* its descriptor table is its own: a futex; by the lot */
    _Atomic int running;     /* parcels are welcome; by the owner before, by the lot at its end */
    _Atomic int stop;        /* end now, for this reason (enum ended); by the owner */
    _Atomic uint32_t fed;    /* parcels sent; by whoever sends */
    _Atomic uint32_t taken;  /* and received; by the lot */
    _Atomic int napping;     /* 1: a futex to wake it by */
    _Atomic uint32_t parked; /* how many there are; by the lot */
};

/* The memory of this process's lot: its stack, what its thread has for thread-local storage, and
 * the parked connections. Bytes to map, all zero at the start. */
size_t lot_size(void);

/*
 * Starts the thread: feed is the end of a SOCK_SEQPACKET pair that parcels come from, log our log's
 * descriptor or -1; it has copies of both when this returns. memory is of lot_size() bytes, and of
 * no lot that still runs. The caller has every signal blocked, as the thread will have.
 * The thread's id, or -errno. May be called wherever a hook can be entered.
 */
long lot_start(void *memory, struct lot_page *page, int feed, int log);

#endif
