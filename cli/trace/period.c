#include "trace/monotonic.h"
#include "trace/period.h"

void trace_period_set(struct trace_period *period, unsigned now)
{
    period->before = period->now;
    period->now = now;
    period->since = monotonic_now();
}

unsigned trace_period_at(const struct trace_period *period, int64_t time)
{
    return time < period->since ? period->before : period->now;
}

void trace_period_lost(struct trace_period *period, uint64_t lost)
{
    period->lost_weight += (lost - period->lost) * period->now;
    period->lost = lost;
}
