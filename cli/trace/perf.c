#include "trace/monotonic.h"
#include "trace/cpu.h"
#include "trace/perf.h"
#include "trace/period.h"
#include "trace/record.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MOST_CPUS 4096
#define ALL_RINGS (64U << 20) /* bytes of all of them; each has a power of two, within these: */
#define LEAST_RING (256U << 10)
#define MOST_RING (8U << 20)

/* A record's time is taken some instructions before the record can be seen. Younger ones wait, in case
 * another ring is about to show an older one. */
#define SETTLED 5000000 /* ns */

struct perf {
    const struct format *formats;
    unsigned count;
    struct trace_cpu *cpus;
    struct pollfd *polls;
    bool counts_lost;
    bool stopped;
    int64_t settled; /* records of this time and before may be taken */
    struct trace_period periods[TRACE_POINTS];
    uint64_t lost; /* by the records in the rings, where the events don't count them */
    _Alignas(8) uint8_t record[RING_RECORD];
};

/* ---- Opening ------------------------------------------------------------------------------------- */

static size_t ring_size(long cpus)
{
    size_t size = MOST_RING;

    while (size > LEAST_RING && size * (size_t)cpus > ALL_RINGS)
        size /= 2;
    return size;
}

/* Of an event that is not wanted the descriptor is none, and the call fails. */
static void control(const struct perf *perf, enum trace_kind kind, unsigned long request,
                    uint64_t *value)
{
    for (unsigned i = 0; i < perf->count; i++)
        ioctl(perf->cpus[i].point[kind], request, value);
}

static void control_all(const struct perf *perf, unsigned long request)
{
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        control(perf, kind, request, NULL);
}

static void control_processes(const struct perf *perf, unsigned long request)
{
    for (unsigned i = 0; i < perf->count; i++)
        ioctl(perf->cpus[i].processes, request, 0);
}

void perf_start(struct perf *perf)
{
    control_all(perf, PERF_EVENT_IOC_ENABLE);
}

void perf_stop(struct perf *perf)
{
    control_all(perf, PERF_EVENT_IOC_DISABLE);
    control_processes(perf, PERF_EVENT_IOC_DISABLE);
    perf->stopped = true;
}

static bool open_cpus(struct perf *perf, int cpus, const struct trace_options *options)
{
    struct trace_cpu_options each = {options, perf->formats, ring_size(cpus), true};

    for (int i = 0; i < cpus; i++) {
        struct trace_cpu *cpu = &perf->cpus[perf->count];
        bool opened = trace_cpu_open(cpu, i, &each);
        int error = errno;

        if (opened) {
            perf->polls[perf->count++] = (struct pollfd){.fd = cpu->processes, .events = POLLIN};
            continue;
        }
        trace_cpu_close(cpu);
        errno = error;
        if (error != ENODEV) /* that CPU is off */
            return false;
    }
    perf->counts_lost = each.counts_lost;
    return true;
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
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        trace_period_set(&perf->periods[kind], 1);
    if (!open_cpus(perf, (int)cpus, options)) {
        error = errno;
        perf_close(perf);
        errno = error;
        return NULL;
    }
    control_processes(perf, PERF_EVENT_IOC_ENABLE);
    return perf;
}

void perf_close(struct perf *perf)
{
    if (!perf)
        return;
    for (unsigned i = 0; i < perf->count; i++)
        trace_cpu_close(&perf->cpus[i]);
    free(perf->cpus);
    free(perf->polls);
    free(perf);
}

/* ---- Reading ------------------------------------------------------------------------------------- */

/* The time first: what a ring shows afterwards of that time or before is all there is. */
static void look(struct perf *perf)
{
    perf->settled = perf->stopped ? INT64_MAX : monotonic_now() - SETTLED;
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
            event->weight =
                event->kind < TRACE_POINTS ? trace_period_at(&perf->periods[event->kind], time) : 1;
            return true;
        }
    }
}

int64_t perf_settled(const struct perf *perf)
{
    return perf->settled;
}

void perf_wait(struct perf *perf, int milliseconds)
{
    poll(perf->polls, perf->count, milliseconds);
}

/* ---- Counts and rates ---------------------------------------------------------------------------- */

void perf_sample(struct perf *perf, enum trace_kind kind, unsigned period)
{
    uint64_t value = period;

    trace_period_set(&perf->periods[kind], period);
    control(perf, kind, PERF_EVENT_IOC_PERIOD, &value);
}

/* Adds what an event says of itself: how many happened, and were lost, where the events count these. */
static void count(const struct perf *perf, int event, uint64_t *happened, uint64_t *lost)
{
    uint64_t values[2] = {0, 0};
    ssize_t size = perf->counts_lost ? sizeof(values) : sizeof(values[0]);

    if (read(event, values, sizeof(values)) == size) {
        *happened += values[0];
        *lost += values[1];
    }
}

static uint64_t lost_processes(const struct perf *perf)
{
    uint64_t lost = 0, nothing = 0;

    for (unsigned i = 0; i < perf->count; i++)
        count(perf, perf->cpus[i].processes, &nothing, &lost);
    return lost;
}

void perf_counts(struct perf *perf, struct trace_counts *counts)
{
    *counts = (struct trace_counts){.lost_by_kind = perf->counts_lost};
    counts->lost_processes = perf->counts_lost ? lost_processes(perf) : perf->lost;
    counts->lost = counts->lost_processes;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++) {
        uint64_t lost = 0;

        for (unsigned i = 0; i < perf->count; i++)
            count(perf, perf->cpus[i].point[kind], &counts->happened[kind], &lost);
        counts->lost += lost;
        trace_period_lost(&perf->periods[kind], lost);
        if (kind != TRACE_STATE)
            counts->lost_resets += perf->periods[kind].lost_weight;
    }
}
