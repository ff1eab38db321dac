/*
 * How many of the kernel's events are looked at: all of them, or above a rate one in several, so that watching costs
 * little whatever happens.
 */
#ifndef SAFECLOSE_WATCH_RATE_H
#define SAFECLOSE_WATCH_RATE_H

#include "trace/trace.h"

/* To be called with the kernel's counts now and then; sets what the trace gives. */
void watch_rate_adjust(struct trace *trace, const struct trace_counts *counts, int64_t now);

/* The period for a rate (events a second) of which so many are wanted, from the period of now: a power of 2. */
unsigned watch_rate_for(uint64_t rate, uint64_t wanted, unsigned period);

/* How many events came of late above the rate at which all are looked at: `above` before, and `count` more within `passed` ns.
 * Samples begin when that is more than a burst. */
uint64_t watch_rate_above(uint64_t above, uint64_t count, int64_t passed);

/* Of that kind of event one in so many is looked at now. */
unsigned watch_rate_period(enum trace_kind kind);

#endif
