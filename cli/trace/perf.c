#include "trace/monotonic.h"
#include "trace/perf.h"
#include "trace/record.h"
#include "trace/ring.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_CPUS 4096
#define ALL_RINGS (64U << 20) /* bytes of all of them; each has a power of two, within these: */
#define LEAST_RING (256U << 10)
#define MOST_RING (8U << 20)
#define MOST_KERNEL_FRAMES 32

/* A record's time is taken some instructions before the record can be seen. Younger ones wait, in case
 * another ring is about to show an older one. */
#define SETTLED 5000000 /* ns */

#ifndef PERF_FORMAT_LOST /* Linux 6.0 */
#define PERF_FORMAT_LOST (1U << 4)
#endif

struct cpu {
    struct ring ring;
    int point[TRACE_POINTS]; /* -1: not wanted */
    int processes;           /* what processes do */
};

struct perf {
    const struct format *formats;
    unsigned count;
    struct cpu *cpus;
    struct pollfd *polls;
    bool counts_lost;
    int64_t settled; /* records of this time and before may be taken */
    struct {
        unsigned now, before; /* the period, and that of events until then: */
        int64_t since;
    } periods[TRACE_POINTS];
    uint64_t lost; /* by the records in the rings, where the events don't count them */
    _Alignas(8) uint8_t record[RING_RECORD];
};

/* ---- Opening ------------------------------------------------------------------------------------- */

static int event_open(struct perf_event_attr *attr, int cpu)
{
    return (int)syscall(SYS_perf_event_open, attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static struct perf_event_attr attributes(size_t ring)
{
    return (struct perf_event_attr){.size = sizeof(struct perf_event_attr),
                                    .sample_type = RECORD_SAMPLE,
                                    .sample_regs_user = RECORD_REGISTERS,
                                    .sample_max_stack = MOST_KERNEL_FRAMES,
                                    .exclude_callchain_user = 1,
                                    .sample_id_all = 1,
                                    .use_clockid = 1,
                                    .clockid = CLOCK_MONOTONIC,
                                    .watermark = 1,
                                    .wakeup_watermark = (uint32_t)ring / 4,
                                    .disabled = 1};
}

static bool open_point(struct perf *perf, struct cpu *cpu, int number, enum trace_kind kind,
                       const struct trace_options *options)
{
    struct perf_event_attr attr = attributes(cpu->ring.size);
    const char *filter = kind == TRACE_STATE ? options->state_filter : NULL;
    int fd;

    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = perf->formats[kind].id;
    attr.sample_period = 1;
    attr.sample_stack_user = options->stack[kind];
    attr.read_format = perf->counts_lost ? PERF_FORMAT_LOST : 0;
    fd = event_open(&attr, number);
    if (fd < 0 && errno == EINVAL && perf->counts_lost) {
        perf->counts_lost = false;
        attr.read_format = 0;
        fd = event_open(&attr, number);
    }
    cpu->point[kind] = fd;
    return fd >= 0 && (!filter || ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) == 0);
}

/* An event that counts nothing carries what processes do. The ring is its. */
static bool open_processes(struct cpu *cpu, int number, size_t ring)
{
    struct perf_event_attr attr = attributes(ring);

    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_DUMMY;
    attr.sample_max_stack = 0;
    attr.mmap = attr.mmap2 = attr.comm = attr.comm_exec = attr.task = 1;
    cpu->processes = event_open(&attr, number);
    return cpu->processes >= 0 && ring_map(&cpu->ring, cpu->processes, ring);
}

static bool join(struct cpu *cpu, enum trace_kind kind)
{
    return ioctl(cpu->point[kind], PERF_EVENT_IOC_SET_OUTPUT, cpu->processes) == 0;
}

/* A CPU that is off has no events: ENODEV. */
static bool open_cpu(struct perf *perf, int number, size_t ring,
                     const struct trace_options *options)
{
    struct cpu *cpu = &perf->cpus[perf->count];

    *cpu = (struct cpu){.point = {-1, -1, -1}, .processes = -1};
    if (!open_processes(cpu, number, ring))
        return cpu->processes < 0 && errno == ENODEV;
    perf->polls[perf->count] = (struct pollfd){.fd = cpu->processes, .events = POLLIN};
    perf->count++;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        if (perf->formats[kind].id && (kind != TRACE_RECEIVED || options->received) &&
            !(open_point(perf, cpu, number, kind, options) && join(cpu, kind)))
            return false;
    return true;
}

static size_t ring_size(long cpus)
{
    size_t size = MOST_RING;

    while (size > LEAST_RING && size * (size_t)cpus > ALL_RINGS)
        size /= 2;
    return size;
}

void perf_start(struct perf *perf)
{
    for (unsigned i = 0; i < perf->count; i++)
        for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
            if (perf->cpus[i].point[kind] >= 0)
                ioctl(perf->cpus[i].point[kind], PERF_EVENT_IOC_ENABLE, 0);
}

struct perf *perf_open(const struct trace_options *options,
                       const struct format formats[TRACE_POINTS])
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    struct perf *perf = calloc(1, sizeof(*perf));
    int error;

    cpus = cpus > MOST_CPUS ? MOST_CPUS : cpus < 1 ? 1 : cpus;
    if (!perf || !(perf->cpus = calloc((size_t)cpus, sizeof(*perf->cpus))) ||
        !(perf->polls = calloc((size_t)cpus, sizeof(*perf->polls)))) {
        perf_close(perf);
        return NULL;
    }
    perf->formats = formats;
    perf->counts_lost = true;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        perf->periods[kind].now = perf->periods[kind].before = 1;
    for (int i = 0; i < cpus; i++)
        if (!open_cpu(perf, i, ring_size(cpus), options)) {
            error = errno;
            perf_close(perf);
            errno = error;
            return NULL;
        }
    for (unsigned i = 0; i < perf->count; i++)
        ioctl(perf->cpus[i].processes, PERF_EVENT_IOC_ENABLE, 0);
    return perf;
}

void perf_close(struct perf *perf)
{
    if (!perf)
        return;
    for (unsigned i = 0; perf->cpus && i < perf->count; i++) {
        for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
            if (perf->cpus[i].point[kind] >= 0)
                close(perf->cpus[i].point[kind]);
        ring_unmap(&perf->cpus[i].ring);
        close(perf->cpus[i].processes);
    }
    free(perf->cpus);
    free(perf->polls);
    free(perf);
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* The time first: what a ring shows afterwards of that time or before is all there is. */
static void look(struct perf *perf)
{
    perf->settled = monotonic_now() - SETTLED;
    for (unsigned i = 0; i < perf->count; i++)
        ring_look(&perf->cpus[i].ring);
}

/* The ring with the oldest record that has settled; NULL if there is none. */
static struct ring *oldest(struct perf *perf, struct perf_event_header *header, int64_t *time)
{
    struct ring *found = NULL;
    struct perf_event_header h;
    int64_t t;

    for (unsigned i = 0; i < perf->count; i++)
        if (ring_first(&perf->cpus[i].ring, &h, &t) && t <= perf->settled &&
            (!found || t < *time)) {
            found = &perf->cpus[i].ring;
            *header = h;
            *time = t;
        }
    return found;
}

/* Its second word says how many. */
static void note_lost(struct perf *perf)
{
    uint64_t lost;

    memcpy(&lost, perf->record + sizeof(struct perf_event_header) + sizeof(uint64_t), sizeof(lost));
    perf->lost += lost;
}

static unsigned weight_of(const struct perf *perf, enum trace_kind kind, int64_t time)
{
    if (kind >= TRACE_POINTS)
        return 1;
    return time < perf->periods[kind].since ? perf->periods[kind].before : perf->periods[kind].now;
}

bool perf_next(struct perf *perf, struct trace_event *event)
{
    struct perf_event_header header = {.type = 0};
    int64_t time = 0;
    struct ring *ring;
    bool looked = false;

    for (;;) {
        ring = oldest(perf, &header, &time);
        if (!ring && looked)
            return false;
        if (!ring) {
            look(perf);
            looked = true;
            continue;
        }
        ring_take(ring, perf->record);
        if (header.type == PERF_RECORD_LOST)
            note_lost(perf);
        else if (record_parse(event, perf->record, perf->formats)) {
            event->time = time;
            event->weight = weight_of(perf, event->kind, time);
            return true;
        }
    }
}

void perf_wait(struct perf *perf, int milliseconds)
{
    poll(perf->polls, perf->count, milliseconds);
}

/* ---- Counts and rates ---------------------------------------------------------------------------- */

void perf_sample(struct perf *perf, enum trace_kind kind, unsigned period)
{
    uint64_t value = period;

    perf->periods[kind].before = perf->periods[kind].now;
    perf->periods[kind].now = period;
    perf->periods[kind].since = monotonic_now();

    for (unsigned i = 0; i < perf->count; i++)
        if (perf->cpus[i].point[kind] >= 0)
            ioctl(perf->cpus[i].point[kind], PERF_EVENT_IOC_PERIOD, &value);
}

void perf_counts(struct perf *perf, struct trace_counts *counts)
{
    uint64_t values[2];

    *counts = (struct trace_counts){.lost = perf->counts_lost ? 0 : perf->lost};
    for (unsigned i = 0; i < perf->count; i++)
        for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++) {
            int fd = perf->cpus[i].point[kind];
            ssize_t size = perf->counts_lost ? sizeof(values) : sizeof(values[0]);

            if (fd < 0 || read(fd, values, sizeof(values)) != size)
                continue;
            counts->happened[kind] += values[0];
            counts->lost += perf->counts_lost ? values[1] : 0;
        }
}
