/* A record of perf, as an event. */
#ifndef SAFECLOSE_TRACE_RECORD_H
#define SAFECLOSE_TRACE_RECORD_H

#include "trace/trace.h"
#include "trace/format.h"

/* What is asked for with every event: the layout of a sample follows from it. Not PERF_SAMPLE_PERIOD: with it the kernel
 * gives every event of a tracepoint, whatever the period. */
#define RECORD_SAMPLE                                                                              \
    (PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_CALLCHAIN |                \
     PERF_SAMPLE_RAW | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)

/* The registers, one bit each, as perf numbers those of this machine. */
#if defined(__x86_64__)
#define RECORD_REGISTERS 0xff01ffULL /* AX to IP, R8 to R15 */
#elif defined(__i386__)
#define RECORD_REGISTERS 0x1ffULL /* AX to IP */
#else
#define RECORD_REGISTERS 0x1ffffffffULL /* X0 to X30, SP, PC */
#endif

/* Fills the event from a record; `formats` are those of the TRACE_POINTS. False for what is not ours, and for a
 * record that is not whole. Pointers lead into the record. */
bool record_parse(struct trace_event *event, const uint8_t *record,
                  const struct format formats[TRACE_POINTS]);

/* The fields of a tracepoint, from its raw bytes, which perf and tracefs have alike. */
bool record_parse_point(struct trace_event *event, const uint8_t *raw, size_t size,
                        const struct format formats[TRACE_POINTS]);

#endif
