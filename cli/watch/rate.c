#include "watch/rate.h"

#define INTERVAL 20000000LL /* ns */
#define MOST_PERIOD 1024

/* Events a second that are looked at: each costs the server some 4 us. */
static const uint64_t most[TRACE_POINTS] = {
    [TRACE_SENT] = 2000, [TRACE_RECEIVED] = 2000, [TRACE_STATE] = 2000};

/* Changed by watch_rate_adjust only. */
static uint64_t before[TRACE_POINTS];
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

void watch_rate_adjust(struct trace *trace, const struct trace_counts *counts, int64_t now)
{
    int64_t passed = now - last;

    if (last && passed < INTERVAL)
        return;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++) {
        uint64_t rate =
            last ? (counts->happened[kind] - before[kind]) * 1000000000ULL / (uint64_t)passed : 0;
        unsigned period = watch_rate_for(rate, most[kind], periods[kind]);

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
