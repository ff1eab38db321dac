/* Which of the kernel's events are told, and when: only what was asked for, and at most so many lines a second. */
#ifndef SAFECLOSE_WATCH_TELL_H
#define SAFECLOSE_WATCH_TELL_H

#include "watch/held.h"
#include "watch/options.h"
#include "watch/watch.h"

#define WATCH_SECOND 1000000000LL /* ns */

struct watching {
    struct watch_options options;
    struct watch_totals totals;
    int64_t second;          /* the one that lines are counted in */
    unsigned lines;          /* in it */
    uint64_t lost_processes; /* as of when what is known of processes was forgotten: */
    int64_t forgotten;
};

/* Takes note of an event, and tells it if it is a reset that was asked for; one that came in waits (held.h). */
void watch_tell(struct watching *w, const struct trace_event *event);

/* Tells those that wait, up to this time. */
void watch_tell_held(struct watching *w, int64_t until);

#endif
