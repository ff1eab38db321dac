#include "trace/cpu.h"
#include "trace/record.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_KERNEL_FRAMES 32

#ifndef PERF_FORMAT_LOST /* Linux 6.0 */
#define PERF_FORMAT_LOST (1U << 4)
#endif

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

/* One that counts the records that the ring had no room for, if the kernel can. */
static int event_open_counting(struct perf_event_attr *attr, int cpu,
                               struct trace_cpu_options *options)
{
    int fd;

    attr->read_format = options->counts_lost ? PERF_FORMAT_LOST : 0;
    fd = event_open(attr, cpu);
    if (fd >= 0 || errno != EINVAL || !options->counts_lost)
        return fd;
    options->counts_lost = false;
    attr->read_format = 0;
    return event_open(attr, cpu);
}

static bool open_point(struct trace_cpu *cpu, int number, enum trace_kind kind,
                       struct trace_cpu_options *options)
{
    struct perf_event_attr attr = attributes(options->ring);
    const char *filter =
        kind == TRACE_STATE ? options->trace->state_filter : options->trace->reset_filter;
    int fd;

    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = options->formats[kind].id;
    attr.sample_period = 1;
    attr.sample_stack_user = options->trace->stack[kind];
    cpu->point[kind] = fd = event_open_counting(&attr, number, options);
    return fd >= 0 && (!filter || ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) == 0);
}

/* An event that counts nothing carries what processes do. The ring is its. */
static bool open_processes(struct trace_cpu *cpu, int number, struct trace_cpu_options *options)
{
    struct perf_event_attr attr = attributes(options->ring);

    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_DUMMY;
    attr.sample_max_stack = 0;
    attr.mmap = attr.mmap2 = attr.comm = attr.comm_exec = attr.task = 1;
    cpu->processes = event_open_counting(&attr, number, options);
    return cpu->processes >= 0 && ring_map(&cpu->ring, cpu->processes, options->ring);
}

static bool join(struct trace_cpu *cpu, enum trace_kind kind)
{
    return ioctl(cpu->point[kind], PERF_EVENT_IOC_SET_OUTPUT, cpu->processes) == 0;
}

bool trace_cpu_open(struct trace_cpu *cpu, int number, struct trace_cpu_options *options)
{
    *cpu = (struct trace_cpu){.point = {-1, -1, -1}, .processes = -1};
    if (!open_processes(cpu, number, options))
        return false;
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        if (options->formats[kind].id && (kind != TRACE_RECEIVED || options->trace->received) &&
            (kind != TRACE_STATE || options->trace->state_filter) &&
            !(open_point(cpu, number, kind, options) && join(cpu, kind)))
            return false;
    return true;
}

void trace_cpu_close(struct trace_cpu *cpu)
{
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        if (cpu->point[kind] >= 0)
            close(cpu->point[kind]);
    ring_unmap(&cpu->ring);
    if (cpu->processes >= 0)
        close(cpu->processes);
}
