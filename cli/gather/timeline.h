/*
 * How much of what happened when. At most TIMELINE_STEPS steps of equal length, which doubles
 * whenever the time that they cover does not reach.
 */
#ifndef SAFECLOSE_TIMELINE_H
#define SAFECLOSE_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_STEPS 256
#define TIMELINE_ROWS 6

struct timeline {
    int64_t step;  /* microseconds; 0: nothing was added */
    int64_t first; /* the beginning of steps[0], in steps since 1970 */
    uint64_t counts[TIMELINE_ROWS][TIMELINE_STEPS];
};

/* time: microseconds since 1970; row: below TIMELINE_ROWS. */
void timeline_add(struct timeline *timeline, unsigned row, int64_t time, uint64_t count);

/* The first and the last step with anything in it; false if there is none. */
bool timeline_range(const struct timeline *timeline, unsigned *first, unsigned *last);

#endif
