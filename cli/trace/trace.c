#include "common/say.h"
#include "trace/trace.h"
#include "trace/format.h"
#include "trace/perf.h"
#include "trace/pipe.h"
#include "trace/tracefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* MEMBARRIER_CMD_GLOBAL; the headers had another name for it until Linux 4.16. */
#define ALL_PROCESSORS 1

static const char *const points[TRACE_POINTS] = {
    [TRACE_SENT] = "events/tcp/tcp_send_reset/format",
    [TRACE_RECEIVED] = "events/tcp/tcp_receive_reset/format",
    [TRACE_STATE] = "events/sock/inet_sock_set_state/format",
};

struct trace {
    struct format formats[TRACE_POINTS];
    struct perf *perf; /* or */
    struct trace_pipe *pipe;
    struct trace_pipe
        *idle; /* beside perf: what happens on idle processors; NULL if it can't be had */
    struct trace_event held; /* of it, not given yet */
    bool holds;
    const char *refused;
};

/* False if the kernel lacks it: before 4.16. */
static bool read_format(struct trace *trace, const char *tracefs, enum trace_kind kind)
{
    char *text = tracefs_read(tracefs, points[kind]);
    bool found = text && format_parse(&trace->formats[kind], text);

    free(text);
    return found;
}

static bool read_formats(struct trace *trace, const char *tracefs)
{
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        if (!read_format(trace, tracefs, kind)) {
            unable("watch: this kernel has no tracepoint %.*s; Linux 4.16 or later is needed",
                   (int)(strlen(points[kind]) - strlen("events/") - strlen("/format")),
                   points[kind] + strlen("events/"));
            return false;
        }
    return true;
}

static void refused(const char *what, int error)
{
    if (error == EPERM || error == EACCES)
        unable("watch: %s: %s; run it as root, outside of containers: sudo safeclose watch", what,
               strerror(error));
    else
        unable("watch: %s: %s", what, strerror(error));
}

/* Each event comes from one of the two. */
static struct perf *open_perf(struct trace *trace, const char *tracefs,
                              const struct trace_options *options)
{
    const struct trace_options idle = {.received = options->received,
                                       .reset_filter = "common_pid == 0"};
    struct trace_options busy = *options;
    struct perf *perf;
    int error;

    trace->idle = trace_pipe_open(tracefs, &idle, trace->formats);
    busy.reset_filter = trace->idle ? "common_pid != 0" : NULL;
    perf = perf_open(&busy, trace->formats);
    error = errno;
    if (!perf && trace->idle) {
        trace_pipe_close(trace->idle);
        trace->idle = NULL;
    }
    errno = error;
    return perf;
}

struct trace *trace_open(const struct trace_options *options)
{
    const char *tracefs = tracefs_find();
    struct trace *trace;
    int error;

    if (!tracefs) {
        refused("can't read the kernel's tracepoints (tracefs)", errno);
        return NULL;
    }
    trace = calloc(1, sizeof(*trace));
    if (!trace || !read_formats(trace, tracefs)) {
        free(trace);
        return NULL;
    }
    trace->perf = open_perf(trace, tracefs, options);
    error = errno;
    if (!trace->perf)
        trace->pipe = trace_pipe_open(tracefs, options, trace->formats);
    if (!trace->perf && !trace->pipe) {
        refused("perf_event_open", error);
        free(trace);
        return NULL;
    }
    trace->refused = trace->perf ? NULL : strerror(error);
    return trace;
}

void trace_start(struct trace *trace)
{
    if (trace->idle)
        trace_pipe_start(trace->idle);
    if (trace->perf)
        perf_start(trace->perf);
    else
        trace_pipe_start(trace->pipe);
}

/* Until no other processor is about to record one more event. It does so with preemption off, and membarrier(2) waits until
 * that has been on again everywhere (a grace period of RCU). A kernel with nohz_full refuses. */
static void wait_for_others(void)
{
    if (syscall(SYS_membarrier, ALL_PROCESSORS, 0, 0) != 0)
        usleep(10000);
}

void trace_stop(struct trace *trace)
{
    if (trace->idle)
        trace_pipe_stop(trace->idle);
    if (trace->perf)
        perf_stop(trace->perf);
    else
        trace_pipe_stop(trace->pipe);
    wait_for_others();
}

/* After all of perf's before it: a reset's close is among them. */
static bool next_idle(struct trace *trace, struct trace_event *event)
{
    if (!trace->holds)
        trace->holds = trace_pipe_next(trace->idle, &trace->held);
    if (!trace->holds || trace->held.time > perf_settled(trace->perf))
        return false;
    *event = trace->held;
    trace->holds = false;
    return true;
}

bool trace_next(struct trace *trace, struct trace_event *event)
{
    if (!trace->perf)
        return trace_pipe_next(trace->pipe, event);
    return perf_next(trace->perf, event) || (trace->idle && next_idle(trace, event));
}

void trace_wait(struct trace *trace, int milliseconds)
{
    if (trace->perf)
        perf_wait(trace->perf, milliseconds);
    else
        trace_pipe_wait(trace->pipe, milliseconds);
}

void trace_sample(struct trace *trace, enum trace_kind kind, unsigned period)
{
    if (trace->perf)
        perf_sample(trace->perf, kind, period);
}

void trace_counts(struct trace *trace, struct trace_counts *counts)
{
    struct trace_counts idle;

    if (trace->perf)
        perf_counts(trace->perf, counts);
    else
        trace_pipe_counts(trace->pipe, counts);
    if (!trace->idle)
        return;
    trace_pipe_counts(trace->idle, &idle);
    counts->lost += idle.lost;
    counts->lost_resets += idle.lost;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        counts->happened[kind] += idle.happened[kind];
}

bool trace_has_reasons(const struct trace *trace)
{
    return trace->formats[TRACE_SENT].reasons > 0;
}

const char *trace_refused(const struct trace *trace)
{
    return trace->refused;
}

void trace_close(struct trace *trace)
{
    if (trace->idle)
        trace_pipe_close(trace->idle);
    if (trace->perf)
        perf_close(trace->perf);
    else
        trace_pipe_close(trace->pipe);
    free(trace);
}
