/*
 * What is known of the processes that close connections: their mappings, their names, where they belong.
 *
 * It is read from /proc at the beginning, and kept up to date by the events of the trace: a child is what its parent was,
 * until it executes another program; then the events say what it maps. So a process that is gone when its close
 * is looked at, some milliseconds later, is known all the same.
 *
 * Bounds: 4096 processes; of 16 that share a place, the one not used for longest goes first.
 * Their mappings: 256 MB; those of the process not used for longest go first, and are read again when they are needed.
 */
#ifndef SAFECLOSE_WATCHED_H
#define SAFECLOSE_WATCHED_H

#include "process/mappings.h"
#include "trace/trace.h"

struct watched {
    pid_t pid;    /* 0: free */
    pid_t parent; /* 0 if unknown */
    struct mappings *mappings;
    char comm[16];      /* "" before it is known */
    char unit[96];      /* the systemd unit, or "" */
    char container[16]; /* the first digits of its id, or "" */
    uint64_t netns;     /* inode of its network namespace, 0 if unknown */
    unsigned long used;
};

/* Reads all processes that there are, so that one that closes and ends at once is known, too. */
void watched_begin(void);

/* Takes note of what is no tracepoint. */
void watched_follow(const struct trace_event *event);

/* Never NULL; with its name and place filled in as far as they can be known. Good until the next call of any function. */
const struct watched *watched_identity(pid_t pid);

/* NULL if nothing is known of them. */
const struct mappings *watched_mappings(pid_t pid);

/* See struct watched. */
pid_t watched_parent(pid_t pid);

/* Events were lost: everything is to be read anew, once it is asked for. */
void watched_forget(void);

#endif
