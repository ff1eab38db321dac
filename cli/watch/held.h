/*
 * Resets that came in, until it is known whether they were sent here: within this machine a reset is received before the
 * kernel says that it was sent.
 */
#ifndef SAFECLOSE_WATCH_HELD_H
#define SAFECLOSE_WATCH_HELD_H

#include "trace/trace.h"

#define WATCH_HELD_FOR 20000000 /* ns */

bool watch_held_full(void);

/* Without what it says of the process, which is whoever ran when the packet came. There must be room. */
void watch_held_put(const struct trace_event *event);

/* The oldest, if it is of this time or before; false if there is none. */
bool watch_held_take(struct trace_event *event, int64_t until);

#endif
