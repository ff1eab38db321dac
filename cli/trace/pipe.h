/*
 * The tracepoints by a tracefs instance of our own, where perf is refused: the same events, without what stood on
 * the program's stack. The kernel follows frame pointers instead, so the caller of libc's functions is
 * skipped. All events are given, whatever their rate.
 */
#ifndef SAFECLOSE_TRACE_PIPE_H
#define SAFECLOSE_TRACE_PIPE_H

#include "trace/trace.h"
#include "trace/format.h"

struct trace_pipe;

/* NULL with errno. */
struct trace_pipe *trace_pipe_open(const char *tracefs, const struct trace_options *options,
                                   const struct format formats[TRACE_POINTS]);

/* As trace.h says. */
void trace_pipe_start(struct trace_pipe *pipe);
void trace_pipe_stop(struct trace_pipe *pipe);
bool trace_pipe_next(struct trace_pipe *pipe, struct trace_event *event);
void trace_pipe_wait(struct trace_pipe *pipe, int milliseconds);
void trace_pipe_counts(struct trace_pipe *pipe, struct trace_counts *counts);
void trace_pipe_close(struct trace_pipe *pipe);

#endif
