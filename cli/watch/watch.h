/*
 * safeclose watch: the resets of this machine, told one by one and summed up.
 *
 * trace/trace.h gives the kernel's events, reset.h makes resets of them; here they are chosen (tell.c), written
 * (text.c, json.c) and counted (summary.c).
 */
#ifndef SAFECLOSE_WATCH_H
#define SAFECLOSE_WATCH_H

#include "watch/reset.h"

#include <stdio.h>

/* Writes a reset to standard output. `now` is the time of day of its event, ns since 1970. */
void watch_text(const struct reset *reset, int64_t now);
void watch_json(const struct reset *reset, int64_t now);

struct watch_totals {
    int64_t time; /* ns that were watched */
    uint64_t sent;
    uint64_t received;
    uint64_t lost;     /* events that the kernel had no room for */
    bool lost_by_kind; /* how many resets are among them is known: */
    uint64_t lost_resets;
    bool sampled; /* at times one in several was looked at */
    bool quiet;   /* some were counted and not written */
};

void watch_count(const struct reset *reset);

void watch_summary_text(const struct watch_totals *totals);
void watch_summary_json(const struct watch_totals *totals, int64_t now);

#endif
