/* The tracepoints by perf_event_open(2): one ring for each CPU, merged by time. */
#ifndef SAFECLOSE_TRACE_PERF_H
#define SAFECLOSE_TRACE_PERF_H

#include "trace/trace.h"
#include "trace/format.h"

struct perf;

/* NULL with errno: perf is refused, or this kernel has none. A format without id is left out. */
struct perf *perf_open(const struct trace_options *options,
                       const struct format formats[TRACE_POINTS]);

/* The rest as trace.h says. */
void perf_start(struct perf *perf);
void perf_stop(struct perf *perf);
bool perf_next(struct perf *perf, struct trace_event *event);
/* Every event until then has been given. */
int64_t perf_settled(const struct perf *perf);
void perf_wait(struct perf *perf, int milliseconds);
void perf_sample(struct perf *perf, enum trace_kind kind, unsigned period);
void perf_counts(struct perf *perf, struct trace_counts *counts);
void perf_close(struct perf *perf);

#endif
