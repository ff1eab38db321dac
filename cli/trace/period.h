/*
 * How many events one stands for: of each kind the kernel gives every period-th only. The period changes now and then; what
 * is still in the rings is from before.
 */
#ifndef SAFECLOSE_TRACE_PERIOD_H
#define SAFECLOSE_TRACE_PERIOD_H

#include "trace/trace.h"

struct trace_period {
    unsigned now;
    unsigned before;      /* that of events until */
    int64_t since;        /* CLOCK_MONOTONIC, ns */
    uint64_t lost;        /* records, as the kernel counts */
    uint64_t lost_weight; /* how many events they stand for */
};

/* From this moment on. */
void trace_period_set(struct trace_period *period, unsigned now);

unsigned trace_period_at(const struct trace_period *period, int64_t time);

/* The kernel has lost so many by now. */
void trace_period_lost(struct trace_period *period, uint64_t lost);

#endif
