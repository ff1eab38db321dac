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
        count; /* RUNNING: its user time, in ns; ASLEEP: how often it had gone to sleep; -1 where the
                        kernel does not tell */
    bool counted; /* ASLEEP: somebody wants to know */
};

/* Where the thread whose name in /proc is tid is now, and in a call on which number. One to three calls. */
void thread_look(struct threads *t, struct thread *seen, const char *tid);

/* Its user time, or how often it has slept, since it was first found where it is: same, where the walk before
 * found it there, too. One to four calls. */
void thread_count(struct threads *t, struct thread *seen, const char *tid, bool same);

#endif
