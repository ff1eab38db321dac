/*
 * What the processes of a family count and report together: a server that forks for each connection explains a call
 * site once, has one limit of events, and writes one summary.
 *
 * Fork children share this memory, and add to it by atomic operations. A process that changes its rights continues with
 * a ledger of its own at the same address. So if somebody breaks into it, it can silence or miscount only itself and
 * its children.
 */
#ifndef SAFECLOSE_LEDGER_H
#define SAFECLOSE_LEDGER_H

#include "tcp/verdict.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How a lingering ended. */
enum ended {
#define END(id, name, text) ENDED_##id,
#include "remedy/ends.def"
#undef END
    ENDED_COUNT
};

/* What there is for the summary. Written by any hook. */
struct counts {
    _Atomic uint64_t closes; /* of TCP sockets that were connected or listening */
    _Atomic uint64_t causes[CAUSE_COUNT];
    _Atomic uint64_t outcomes[OUTCOME_COUNT];
    _Atomic uint64_t confirmed; /* of those */
    _Atomic uint64_t later;     /* resets of what had been held, or had lingered */
    _Atomic uint64_t clean;     /* closes that surely did not reset, not asked further */
    _Atomic uint64_t may_send;  /* closed without a reset, the peer still able to send */
    _Atomic uint64_t at_risk;   /* of those, with output unacknowledged */
    _Atomic uint64_t drained;
    _Atomic uint64_t draining;
    _Atomic uint64_t lingering;
    _Atomic uint64_t ended[ENDED_COUNT]; /* of those that drained or lingered in a lot */
    _Atomic uint64_t passed;
    _Atomic uint64_t suppressed; /* events over the limit */
    _Atomic uint64_t lost;       /* lines that could not be written */
    _Atomic uint64_t
        forgotten; /* still held at their close, and we stopped asking before that ended */
    _Atomic uint64_t too_early; /* before the library was ready: nobody judged them */
};

#define LEDGER_SITES 128
#define LEDGER_CLAIMS 1024
#define LEDGER_MEMBERS 512

struct ledger {
    struct counts counts;
    _Atomic uint64_t second; /* limit of events: the second being counted, and the events in it */
    _Atomic int announced;   /* what of first_use is done */
    _Atomic int lot_failed;  /* somebody has told why no lot can be started */
    _Atomic uint64_t closes_at_end; /* the closes that the last summary of an end counted, and 1 */
    _Atomic uint64_t closes_so_far; /* those that the last summary so far counted */
    _Atomic int64_t so_far_at;      /* when that was written, in ns */
    _Atomic uint64_t
        sites[LEDGER_SITES]; /* call sites that were explained: hashes, written once each */
    _Atomic uint64_t claims[LEDGER_CLAIMS]; /* resets that somebody tells, by cookie */
    _Atomic int members[LEDGER_MEMBERS];    /* pids of those that use TCP; 0: free */
};

extern struct ledger *ledger;

static inline void bump(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* For the constructor. False if there is no memory. */
bool ledger_start(void);

/* A close before the library was ready; before ledger_start, and counted by that. */
void ledger_too_early(void);

/* This process uses TCP from now on. */
void ledger_join(void);

/* This process ends. True if no other member lives. At most a few calls for each member. */
bool ledger_leave(void);

/* True for the first process that asks about this connection, of those that ask at about the same time. */
bool ledger_claim(uint64_t cookie);

/* After a call that may have changed the process's rights: true if it has. Effective ids alone don't count. Two
 * calls. */
bool ledger_check_rights(void);

/* Before an exec, and after one that failed: the program that follows is no member. */
void ledger_exec_begin(void);
void ledger_exec_failed(void);

#endif
