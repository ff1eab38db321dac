#include "process/process.h"
#include "trace/page.h"
#include "trace/pipe.h"
#include "trace/record.h"
#include "trace/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_CPUS 1024
#define MOST_EVENTS 1024
#define DEPTH 16
#define PAGE 65536 /* no page of the trace is larger */

/* An event, and what its pointers lead to. */
struct event {
    struct trace_event event;
    uint64_t kernel[DEPTH];
    uint64_t callers[DEPTH];
};

struct trace_pipe {
    const struct format *formats;
    struct format kernel_stack; /* only their ids are used */
    struct format user_stack;
    char instance[TRACEFS_PATH];
    bool wanted[TRACE_POINTS];
    unsigned cpus;
    int fds[MOST_CPUS]; /* their pipes; -1: none */
    uint64_t seen[TRACE_POINTS];
    unsigned count, taken; /* of the events, sorted by time */
    struct event events[MOST_EVENTS];
    uint8_t page[PAGE];
};

static const char *const names[TRACE_POINTS] = {
    [TRACE_SENT] = "tcp/tcp_send_reset",
    [TRACE_RECEIVED] = "tcp/tcp_receive_reset",
    [TRACE_STATE] = "sock/inet_sock_set_state",
};

/* ---- Opening ------------------------------------------------------------------------------------- */

static bool set(const struct trace_pipe *pipe, enum trace_kind kind, const char *file,
                const char *text)
{
    char name[TRACEFS_PATH];

    snprintf(name, sizeof(name), "events/%s/%s", names[kind], file);
    return tracefs_write(pipe->instance, name, text);
}

static bool filter(const struct trace_pipe *pipe, enum trace_kind kind, const char *condition)
{
    return !condition || set(pipe, kind, "filter", condition);
}

static void read_format(struct format *format, const char *tracefs, const char *name)
{
    char *text = tracefs_read(tracefs, name);

    if (text)
        format_parse(format, text);
    free(text);
}

static void open_pipes(struct trace_pipe *pipe)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    char path[2 * TRACEFS_PATH];

    pipe->cpus = cpus > MOST_CPUS ? MOST_CPUS : (unsigned)cpus;
    for (unsigned i = 0; i < pipe->cpus; i++) {
        snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe_raw", pipe->instance, i);
        pipe->fds[i] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
}

struct trace_pipe *trace_pipe_open(const char *tracefs, const struct trace_options *options,
                                   const struct format formats[TRACE_POINTS])
{
    struct trace_pipe *pipe = calloc(1, sizeof(*pipe));

    if (!pipe)
        return NULL;
    if (!tracefs_make_instance(tracefs, pipe->instance)) {
        free(pipe);
        return NULL;
    }
    pipe->formats = formats;
    pipe->wanted[TRACE_SENT] = true;
    pipe->wanted[TRACE_RECEIVED] = options->received;
    pipe->wanted[TRACE_STATE] = options->state_filter != NULL;
    read_format(&pipe->kernel_stack, tracefs, "events/ftrace/kernel_stack/format");
    read_format(&pipe->user_stack, tracefs, "events/ftrace/user_stack/format");
    if (!tracefs_write(pipe->instance, "trace_clock", "mono") ||
        !filter(pipe, TRACE_STATE, options->state_filter) ||
        !filter(pipe, TRACE_SENT, options->reset_filter) ||
        !filter(pipe, TRACE_RECEIVED, options->reset_filter)) {
        trace_pipe_close(pipe);
        return NULL;
    }
    /* Without these there is less to tell. */
    tracefs_write(pipe->instance, "options/stacktrace", "1");
    tracefs_write(pipe->instance, "options/userstacktrace", "1");
    open_pipes(pipe);
    return pipe;
}

void trace_pipe_start(struct trace_pipe *pipe)
{
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        if (pipe->wanted[kind])
            set(pipe, kind, "enable", "1");
}

void trace_pipe_stop(struct trace_pipe *pipe)
{
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        set(pipe, kind, "enable", "0");
}

void trace_pipe_close(struct trace_pipe *pipe)
{
    trace_pipe_stop(pipe);
    for (unsigned i = 0; i < pipe->cpus; i++)
        if (pipe->fds[i] >= 0)
            close(pipe->fds[i]);
    tracefs_remove_instance(pipe->instance);
    free(pipe);
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* The trace knows threads. */
static pid_t process_of(pid_t tid)
{
    size_t len;
    char *status = process_file(tid, "status", &len);
    long pid = status ? process_number(status, "Tgid") : -1;

    free(status);
    return pid > 0 ? (pid_t)pid : tid;
}

/* The addresses after the first two words of a stack's record; they end where there is none. */
static unsigned take_addresses(uint64_t to[DEPTH], const uint8_t *record, size_t size)
{
    unsigned count = 0;

    for (size_t at = 16; at + 8 <= size && count < DEPTH; at += 8) {
        memcpy(&to[count], record + at, 8);
        if (!to[count] || to[count] == UINT64_MAX)
            break;
        count++;
    }
    return count;
}

/* The stacks follow the event that they belong to. */
static void take_stack(struct trace_pipe *pipe, struct event *last, const uint8_t *record,
                       size_t size)
{
    uint16_t type;
    uint32_t pid;

    memcpy(&type, record, sizeof(type));
    if (!last || size < 16)
        return;
    if (type == pipe->kernel_stack.id) {
        last->event.kernel_count = take_addresses(last->kernel, record, size);
    } else if (type == pipe->user_stack.id) {
        memcpy(&pid, record + 8, sizeof(pid));
        last->event.pid = (pid_t)pid;
        last->event.callers_count = take_addresses(last->callers, record, size);
        last->event.has_user = true;
    }
}

static struct event *take_event(struct trace_pipe *pipe, const uint8_t *record, size_t size,
                                int64_t time, unsigned cpu)
{
    struct event *e = &pipe->events[pipe->count];

    memset(&e->event, 0, sizeof(e->event));
    if (pipe->count == MOST_EVENTS || !record_parse_point(&e->event, record, size, pipe->formats))
        return NULL;
    e->event.time = time;
    e->event.cpu = cpu;
    e->event.weight = 1;
    e->event.tid = (pid_t)format_number(&pipe->formats[e->event.kind], FORMAT_PID, record, size);
    pipe->seen[e->event.kind]++;
    pipe->count++;
    return e;
}

static void read_page(struct trace_pipe *pipe, size_t size, unsigned cpu)
{
    struct trace_page page;
    struct event *last = NULL, *e;
    const uint8_t *record;
    size_t length;

    trace_page_begin(&page, pipe->page, size);
    while (trace_page_next(&page, &record, &length)) {
        if (length < 8)
            continue;
        e = take_event(pipe, record, length, page.time, cpu);
        if (e)
            last = e;
        else
            take_stack(pipe, last, record, length);
    }
}

static int by_time(const void *left, const void *right)
{
    const struct event *a = left, *b = right;

    return a->event.time < b->event.time ? -1 : a->event.time > b->event.time;
}

/* A page has at most some 100 of our events. */
static void read_pages(struct trace_pipe *pipe)
{
    ssize_t size;

    pipe->count = pipe->taken = 0;
    for (unsigned i = 0; i < pipe->cpus; i++)
        while (pipe->fds[i] >= 0 && pipe->count < MOST_EVENTS / 2 &&
               (size = read(pipe->fds[i], pipe->page, sizeof(pipe->page))) > 0)
            read_page(pipe, (size_t)size, i);
    qsort(pipe->events, pipe->count, sizeof(pipe->events[0]), by_time);
}

bool trace_pipe_next(struct trace_pipe *pipe, struct trace_event *event)
{
    struct event *e;

    if (pipe->taken == pipe->count)
        read_pages(pipe);
    if (pipe->taken == pipe->count)
        return false;
    e = &pipe->events[pipe->taken++];
    e->event.kernel = e->kernel;
    e->event.callers = e->callers;
    if (!e->event.pid && e->event.tid)
        e->event.pid = process_of(e->event.tid);
    *event = e->event;
    return true;
}

void trace_pipe_wait(struct trace_pipe *pipe, int milliseconds)
{
    (void)pipe;
    poll(NULL, 0, milliseconds);
}

/* ---- Counts -------------------------------------------------------------------------------------- */

static uint64_t lost_on(const struct trace_pipe *pipe, unsigned cpu)
{
    char name[64];
    char *text, *at;
    uint64_t lost = 0;

    snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", cpu);
    text = tracefs_read(pipe->instance, name);
    at = text ? strstr(text, "overrun: ") : NULL;
    if (at)
        lost = strtoull(at + strlen("overrun: "), NULL, 10);
    free(text);
    return lost;
}

void trace_pipe_counts(struct trace_pipe *pipe, struct trace_counts *counts)
{
    *counts = (struct trace_counts){.lost = 0};
    memcpy(counts->happened, pipe->seen, sizeof(pipe->seen));
    for (unsigned i = 0; i < pipe->cpus; i++)
        counts->lost += lost_on(pipe, i);
}
