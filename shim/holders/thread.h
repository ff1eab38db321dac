/*
 * What a walk sees of one thread of this process (threads.h).
 */
#ifndef SAFECLOSE_THREAD_H
#define SAFECLOSE_THREAD_H

#include "holders/threads.h"

#include <stdbool.h>
#include <stdint.h>

enum where {
    ELSEWHERE, /* where no call on a connection can be in progress */
    RUNNING,
    ASLEEP, /* in a call on a connection */
    OPAQUE, /* nobody knows */
};

struct thread {
    int tid;
    enum where where;
    int number;      /* that its call is on; -1: unknown */
    uint64_t listed; /* the last walk that saw it */
    uint64_t out;    /* the last one that saw it ELSEWHERE, or after which it was in its own code */
    uint64_t lap;    /* the walk that found the count below */
    int64_t
        count; /* RUNNING: its user time, in ns; ASLEEP: how often it had gone to sleep; -1 if the
                        kernel does not tell */
    bool counted; /* ASLEEP: somebody wants to know */
};

/* Finds out where thread tid is, and on which number its call is. Reads one to three files in /proc (i386: four). */
void thread_look(struct threads *t, struct thread *seen, const char *tid);

/* Updates its count: user time if it runs, how often it slept if it is asleep (and counted). same: the walk before
 * found it in the same state. At most three calls. */
void thread_count(struct threads *t, struct thread *seen, const char *tid, bool same);

#endif
