/*
 * The closes of the last minute: what they did to which connection, in which process and where in its code. A
 * reset by late data comes after the close, often in another process's time; it is joined with the close here.
 *
 * A half-close (shutdown) makes the same change of state as a close. The close after it makes another change
 * or, while our FIN is unacknowledged, none: then the half-close is all that is known.
 *
 * Bounds: 262144 connections; the oldest goes first.
 */
#ifndef SAFECLOSE_CLOSINGS_H
#define SAFECLOSE_CLOSINGS_H

#include "watch/closing_output.h"
#include "stack/known_stacks.h"

struct closing {
    struct endpoint local;
    struct endpoint peer;
    uint64_t socket;
    int64_t time; /* CLOCK_MONOTONIC, ns */
    pid_t pid;    /* 0: unknown */
    pid_t tid;
    char comm[16];
    bool half;   /* by shutdown; as far as we know it is open still */
    bool ending; /* by the end of the process */
    struct stack_ref stack;
    struct closing_output output;
    uint32_t next; /* of the same hash, 1 more than its place; 0: none */
};

/* A new one, or the one of the same connection if there is one already: to be filled in. */
struct closing *closings_add(const struct trace_event *event);

/* The close of that connection, at most a minute before; NULL if none was seen. */
const struct closing *closings_find(const struct endpoint *local, const struct endpoint *peer,
                                    int64_t time);

/* The close of the last minute on this local end, if there was only one; else NULL. */
const struct closing *closings_only(const struct endpoint *local, int64_t time);

#endif
