#include "watch/rate.h"

#define INTERVAL 20000000LL /* ns */
#define MOST_PERIOD 1024

/* Events a second that are looked at: each costs the server some 4 us. */
#define MOST 2000

/* So many more may come at once, for which the rings have room: otherwise the resets of one server that ends would hide what
 * others do just then. */
#define BURST 500

/* Changed by watch_rate_adjust only. */
static uint64_t before[TRACE_POINTS];
static uint64_t excess[TRACE_POINTS]; /* how many came above that rate of late */
static unsigned periods[TRACE_POINTS] = {1, 1, 1};
static int64_t last;

/* Fewer are looked at at once, more only when far fewer come. */
unsigned watch_rate_for(uint64_t rate, uint64_t wanted, unsigned period)
{
    while (rate / period > wanted && period < MOST_PERIOD)
        period *= 2;
    while (period > 1 && rate / period < wanted / 4)
        period /= 2;
    return period;
}

uint64_t watch_rate_above(uint64_t above, uint64_t count, int64_t passed)
{
    uint64_t allowed = (uint64_t)passed * MOST / 1000000000, now = above + count;

    now = now > allowed ? now - allowed : 0;
    return now < 2 * BURST ? now : 2 * BURST;
}

/* The period of one kind for the events that came in this time. */
static unsigned period_for(enum trace_kind kind, uint64_t count, int64_t passed)
{
    unsigned period = watch_rate_for(count * 1000000000ULL / (uint64_t)passed, MOST, periods[kind]);

    excess[kind] = watch_rate_above(excess[kind], count, passed);
    return period > periods[kind] && excess[kind] < BURST ? periods[kind] : period;
}

void watch_rate_adjust(struct trace *trace, const struct trace_counts *counts, int64_t now)
{
    int64_t passed = now - last;

    if (last && passed < INTERVAL)
        return;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++) {
        unsigned period =
            last ? period_for(kind, counts->happened[kind] - before[kind], passed) : 1;

        if (period != periods[kind])
            trace_sample(trace, kind, period);
        periods[kind] = period;
        before[kind] = counts->happened[kind];
    }
    last = now;
}

unsigned watch_rate_period(enum trace_kind kind)
{
    return periods[kind];
}
