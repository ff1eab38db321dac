/* The perf events of one CPU: the tracepoints, and what processes do, in one ring. */
#ifndef SAFECLOSE_TRACE_CPU_H
#define SAFECLOSE_TRACE_CPU_H

#include "trace/trace.h"
#include "trace/format.h"
#include "trace/ring.h"

struct trace_cpu {
    struct ring ring;
    int point[TRACE_POINTS]; /* -1: not wanted */
    int processes;           /* what processes do */
};

struct trace_cpu_options {
    const struct trace_options *trace;
    const struct format *formats;
    size_t ring;      /* bytes, a power of two */
    bool counts_lost; /* PERF_FORMAT_LOST is asked for; unset where the kernel is older */
};

/* False with errno. ENODEV: that CPU is off. Whatever came of it, trace_cpu_close closes it. */
bool trace_cpu_open(struct trace_cpu *cpu, int number, struct trace_cpu_options *options);

void trace_cpu_close(struct trace_cpu *cpu);

#endif
