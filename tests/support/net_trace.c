#define _GNU_SOURCE
#include "net.h"
#include "trace/pipe.h"
#include "trace/tracefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Others' resets come by the thousand, and nobody will ask for them: the oldest make room. */
enum { KEPT = 4096 };

struct reset {
    struct endpoint from, to;
    const char *reason; /* NULL once it was asked for */
};

/* Written by net_trace_start and net_trace_stop, and the resets by net_trace_reason. */
static struct {
    struct trace_pipe *pipe; /* NULL when not tracing */
    pid_t owner;             /* who made it: a fork child's exit must not remove it */
    struct format formats[TRACE_POINTS];
    struct reset resets[KEPT];
    size_t count; /* of all so far */
} trace;

const char *net_trace_start(void)
{
    static const struct trace_options sent_only;

    if (trace.pipe)
        return NULL;
    if (geteuid() != 0)
        return "not root";
    const char *tracefs = tracefs_find();
    if (!tracefs)
        return "no tracefs, or not allowed to mount it";
    char *format = tracefs_read(tracefs, "events/tcp/tcp_send_reset/format");
    bool has_reasons = format && strstr(format, "TCP_ABORT_ON_CLOSE") &&
                       format_parse(&trace.formats[TRACE_SENT], format);
    free(format);
    if (!has_reasons)
        return "the kernel has no tcp:tcp_send_reset with reasons (Linux 6.12)";
    trace.pipe = trace_pipe_open(tracefs, &sent_only, trace.formats);
    if (!trace.pipe)
        return "not allowed to make a tracefs instance";
    trace.owner = getpid();
    trace_pipe_start(trace.pipe);
    atexit(net_trace_stop);
    return NULL;
}

void net_trace_stop(void)
{
    if (!trace.pipe || trace.owner != getpid())
        return;
    trace_pipe_close(trace.pipe);
    trace.pipe = NULL;
}

static void read_resets(void)
{
    struct trace_event event;

    while (trace_pipe_next(trace.pipe, &event))
        trace.resets[trace.count++ % KEPT] = (struct reset){
            event.local, event.peer, event.reason ? event.reason : "one without a name"};
}

const char *net_trace_reason(const char *from, const char *to)
{
    struct endpoint ours, its;

    if (!trace.pipe)
        return NULL;
    read_resets();
    if (!endpoint_parse(&ours, from) || !endpoint_parse(&its, to))
        return "";
    for (size_t i = trace.count > KEPT ? trace.count - KEPT : 0; i < trace.count; i++) {
        struct reset *reset = &trace.resets[i % KEPT];
        const char *reason = reset->reason;

        if (reason && endpoint_same(&reset->from, &ours) && endpoint_same(&reset->to, &its)) {
            reset->reason = NULL;
            return reason;
        }
    }
    return "";
}

long net_trace_resets(int from, int to)
{
    char ours[32], its[32];
    const char *reason;
    long count = 0;

    snprintf(ours, sizeof(ours), "127.0.0.1:%d", from);
    snprintf(its, sizeof(its), "127.0.0.1:%d", to);
    while ((reason = net_trace_reason(ours, its)) && *reason)
        count++;
    return reason && trace.count <= KEPT ? count : -1;
}
