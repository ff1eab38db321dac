/*
 * The kernel's own events about TCP: a reset was sent, a reset came, a connection changed its state. With
 * them come the changes of processes that are needed to read a stack: what was mapped, forked, renamed.
 *
 * They are read from tracepoints, by perf_event_open(2) on every CPU: no BPF, no package, and nothing is
 * changed on the machine. The kernel writes a record into a ring of its CPU; with it the process, the
 * kernel's functions in progress, and the program's registers with the top of its stack. Where perf is
 * refused, a tracefs instance of our own gives the same events without the program's stack. What happens while a
 * processor is idle always comes from there: perf has been seen to drop all of it on one of two processors, without
 * counting it, while tracefs had it (Linux 6.18).
 *
 * Rings are merged by time: trace_next gives an event only once every ring has been read up to a later
 * time, so a close on one CPU comes before the reset that another CPU sends for it.
 *
 * Bounded: at most 64 MB of rings, and what the kernel gives a tracefs instance, 1.4 MB for each CPU; a full ring loses
 * records, and the kernel counts them (trace_counts). Above a rate the kernel gives every k-th event only
 * (trace_sample); `weight` says how many one stands for.
 */
#ifndef SAFECLOSE_TRACE_H
#define SAFECLOSE_TRACE_H

#include "trace/endpoint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TRACE_REGISTERS 33 /* the most that a machine here has */

enum trace_kind {
    TRACE_SENT,     /* a reset by this machine's TCP */
    TRACE_RECEIVED, /* a reset for a connection of this machine */
    TRACE_STATE,    /* a connection left an open state: closed or half-closed */
    TRACE_MAPPED,   /* a file was mapped executable */
    TRACE_EXECUTED, /* a process became another program */
    TRACE_RENAMED,
    TRACE_FORKED,
    TRACE_KINDS
};

#define TRACE_POINTS (TRACE_STATE + 1) /* those that come from tracepoints */

/* Pointers are valid until the next call of trace_next. */
struct trace_event {
    enum trace_kind kind;
    int64_t time; /* CLOCK_MONOTONIC, ns */
    pid_t pid;    /* the process that ran; 0 if it is in another pid namespace */
    pid_t tid;
    unsigned cpu;
    unsigned weight; /* of a tracepoint: how many events this one stands for */

    /* of a tracepoint */
    bool interrupt; /* it happened in an interrupt: pid is whoever happened to run */
    struct endpoint local;
    struct endpoint peer;
    uint64_t socket;    /* the kernel's address of it, 0 if unknown */
    uint64_t cookie;    /* as SO_COOKIE, 0 if unknown */
    int state;          /* TCP_..., of TRACE_STATE the old one; 0 if unknown */
    int new_state;      /* of TRACE_STATE */
    const char *reason; /* the kernel's name for it; NULL if this kernel has none */
    const uint64_t *kernel;
    unsigned kernel_count;     /* addresses in the kernel's functions, innermost first */
    bool has_user;             /* false: a kernel thread, or a program's thread within the kernel */
    const uint64_t *registers; /* as perf numbers them; NULL if there are none of 64 bits */
    const uint64_t
        *callers; /* by tracefs: addresses in the program's functions, by frame pointers */
    unsigned callers_count;
    const uint8_t *stack; /* what stood at the stack pointer */
    size_t stack_size;

    /* of a mapping */
    uint64_t start, end, offset;
    uint64_t device; /* major << 32 | minor */
    uint64_t inode;
    const char *path; /* also the new name of TRACE_EXECUTED and TRACE_RENAMED */
    /* of a fork */
    pid_t parent;
};

struct trace_options {
    bool received;                /* resets that came in, too */
    const char *state_filter;     /* a condition in the kernel's language; NULL: no TRACE_STATE */
    const char *reset_filter;     /* for the others, or NULL; only this module's */
    unsigned stack[TRACE_POINTS]; /* bytes of the program's stack to copy; multiples of 8 */
};

struct trace;

/* NULL, and says what is missing and what to do, where the machine or our rights don't allow it. */
struct trace *trace_open(const struct trace_options *options);

/* What processes do is told from trace_open on, the tracepoints from here on: who has read all processes in
 * between knows every process that a tracepoint may name. */
void trace_start(struct trace *trace);

/* Nothing is recorded from here on; trace_next gives what was before it. So trace_next comes to an end, and every tracepoint
 * that was counted is told or lost. */
void trace_stop(struct trace *trace);

/* The next event, false if there is none yet. */
bool trace_next(struct trace *trace, struct trace_event *event);

/* Waits until there may be events, at most so many milliseconds. Returns early at a signal. */
void trace_wait(struct trace *trace, int milliseconds);

/* From now on the kernel gives every period-th event of this kind. */
void trace_sample(struct trace *trace, enum trace_kind kind, unsigned period);

struct trace_counts {
    uint64_t happened[TRACE_POINTS]; /* as the kernel counted, since trace_open */
    uint64_t lost;                   /* records that did not fit into a ring, of whatever kind */
    uint64_t lost_processes;         /* those of them that told what processes do, or may have */
    bool lost_by_kind;               /* how many resets are among them is known (Linux 6.0): */
    uint64_t lost_resets;            /* each counts as many as one that is told weighs */
};

void trace_counts(struct trace *trace, struct trace_counts *counts);

/* Whether this kernel names the reason of a reset (Linux 6.10). */
bool trace_has_reasons(const struct trace *trace);

/* NULL, or why perf is refused, so that tracefs is read. */
const char *trace_refused(const struct trace *trace);

/* Removes everything that trace_open has made. */
void trace_close(struct trace *trace);

#endif
