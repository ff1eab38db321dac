#include "gather/timeline.h"

#include <string.h>

#define SHORTEST 1000000 /* a second */

bool timeline_range(const struct timeline *t, unsigned *first, unsigned *last)
{
    bool found = false;

    for (unsigned i = 0; i < TIMELINE_STEPS; i++)
        for (unsigned row = 0; row < TIMELINE_ROWS; row++)
            if (t->counts[row][i]) {
                if (!found)
                    *first = i;
                *last = i;
                found = true;
            }
    return found;
}

/* Makes each step twice as long. Pairs begin at even steps since 1970, so that the order of what is added makes no
 * difference. */
static void coarsen(struct timeline *t)
{
    unsigned odd = (unsigned)(t->first & 1);

    for (unsigned row = 0; row < TIMELINE_ROWS; row++) {
        uint64_t *from = t->counts[row], to[TIMELINE_STEPS] = {0};

        for (unsigned i = 0; i < TIMELINE_STEPS; i++)
            to[(i + odd) / 2] += from[i];
        memcpy(from, to, sizeof(to));
    }
    t->step *= 2;
    t->first >>= 1;
}

/* Moves what there is by so many steps to the right. */
static void move(struct timeline *t, unsigned by)
{
    for (unsigned row = 0; row < TIMELINE_ROWS; row++) {
        uint64_t *counts = t->counts[row];

        memmove(counts + by, counts, (TIMELINE_STEPS - by) * sizeof(counts[0]));
        memset(counts, 0, by * sizeof(counts[0]));
    }
    t->first -= by;
}

void timeline_add(struct timeline *t, unsigned row, int64_t time, uint64_t count)
{
    unsigned first, last = 0;

    if (!t->step) {
        t->step = SHORTEST;
        t->first = time / t->step;
    }
    for (;;) {
        int64_t at = time / t->step - t->first;

        if (at >= 0 && at < TIMELINE_STEPS) {
            t->counts[row][at] += count;
            return;
        }
        if (at < 0 && timeline_range(t, &first, &last) && last - at < TIMELINE_STEPS)
            move(t, (unsigned)-at);
        else
            coarsen(t);
    }
}
