#include "trace/record.h"
#include "trace/ring.h"

#include <linux/perf_event.h>
#include <netinet/in.h>
#include <string.h>

/* In common_flags: the tracepoint was passed in a hard or a soft interrupt. */
#define IN_INTERRUPT 0x18

/* ---- Reading within bounds ---------------------------------------------------------------------- */

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static const uint8_t *take(struct reader *r, uint64_t size)
{
    const uint8_t *at = r->at;

    if (r->bad || size > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return at;
}

/* Leaves the value as it is where the record ends before it. */
static void copy(struct reader *r, void *value, size_t size)
{
    const uint8_t *at = take(r, size);

    if (at)
        memcpy(value, at, size);
}

static uint64_t word(struct reader *r)
{
    uint64_t value = 0;

    copy(r, &value, sizeof(value));
    return value;
}

static uint32_t half(struct reader *r)
{
    uint32_t value = 0;

    copy(r, &value, sizeof(value));
    return value;
}

/* ---- A tracepoint ------------------------------------------------------------------------------- */

/* The address and the port of one end, in either form that kernels have had: a whole socket address, or an
 * IPv4 address, an IPv6 address (the IPv4 one mapped, for IPv4) and a port by themselves. */
static struct endpoint end_of(const struct format *f, const uint8_t *raw, size_t size,
                              enum format_field address, enum format_field v6,
                              enum format_field port)
{
    const uint8_t *bytes = format_bytes(f, address, raw, size);
    const uint8_t *bytes_v6 = format_bytes(f, v6, raw, size);
    struct endpoint e = {.port = (uint16_t)format_number(f, port, raw, size)};

    if (bytes && f->place[address].size > 4) {
        endpoint_from_sockaddr(&e, bytes, f->place[address].size);
    } else if (bytes_v6 && f->place[v6].size == sizeof(e.address) &&
               memcmp(bytes_v6, (uint8_t[sizeof(e.address)]){0}, sizeof(e.address)) != 0) {
        memcpy(e.address, bytes_v6, sizeof(e.address));
    } else if (bytes)
        e = endpoint_v4(bytes, e.port);
    return e;
}

bool record_parse_point(struct trace_event *event, const uint8_t *raw, size_t size,
                        const struct format formats[TRACE_POINTS])
{
    uint16_t id;
    enum trace_kind kind = TRACE_SENT;
    const struct format *f;

    if (size < sizeof(id))
        return false;
    memcpy(&id, raw, sizeof(id));
    while (kind < TRACE_POINTS && formats[kind].id != id)
        kind++;
    if (kind == TRACE_POINTS)
        return false;
    f = &formats[kind];
    event->kind = kind;
    event->interrupt = format_number(f, FORMAT_FLAGS, raw, size) & IN_INTERRUPT;
    event->local = end_of(f, raw, size, FORMAT_SOURCE, FORMAT_SOURCE_V6, FORMAT_SOURCE_PORT);
    event->peer = end_of(f, raw, size, FORMAT_PEER, FORMAT_PEER_V6, FORMAT_PEER_PORT);
    event->socket = format_number(f, FORMAT_SOCKET, raw, size);
    event->cookie = format_number(f, FORMAT_COOKIE, raw, size);
    event->state =
        (int)format_number(f, kind == TRACE_STATE ? FORMAT_OLD_STATE : FORMAT_STATE, raw, size);
    event->new_state = (int)format_number(f, FORMAT_NEW_STATE, raw, size);
    if (f->reasons)
        event->reason =
            format_reason(f, (int64_t)(int32_t)format_number(f, FORMAT_REASON, raw, size));
    return true;
}

/* ---- A sample ----------------------------------------------------------------------------------- */

/* Addresses from PERF_CONTEXT_MAX on are marks between kernel and user. */
static void read_chain(struct trace_event *event, struct reader *r)
{
    uint64_t count = word(r), entry;
    const uint8_t *entries;

    entries = count < RING_RECORD / sizeof(uint64_t) ? take(r, count * sizeof(uint64_t)) : NULL;
    if (!entries) {
        r->bad = true;
        return;
    }
    if (count) {
        memcpy(&entry, entries, sizeof(entry));
        if (entry >= (uint64_t)PERF_CONTEXT_MAX) {
            entries += sizeof(uint64_t);
            count--;
        }
    }
    event->kernel = (const uint64_t *)(const void *)entries;
    event->kernel_count = (unsigned)count;
}

static void read_user(struct trace_event *event, struct reader *r)
{
    uint64_t abi = word(r), size;
    const uint8_t *registers = NULL;

    if (abi != PERF_SAMPLE_REGS_ABI_NONE)
        registers = take(r, sizeof(uint64_t) * (unsigned)__builtin_popcountll(RECORD_REGISTERS));
    if (abi == PERF_SAMPLE_REGS_ABI_64)
        event->registers = (const uint64_t *)(const void *)registers;
    event->has_user = abi != PERF_SAMPLE_REGS_ABI_NONE;
    size = word(r);
    event->stack = take(r, size);
    /* The last word says how much of the room was filled. */
    event->stack_size = size ? word(r) : 0;
    if (event->stack_size > size)
        event->stack_size = 0;
}

static bool read_sample(struct trace_event *event, struct reader *r,
                        const struct format formats[TRACE_POINTS])
{
    const uint8_t *raw;
    uint32_t size;

    event->pid = (pid_t)half(r);
    event->tid = (pid_t)half(r);
    event->time = (int64_t)word(r);
    event->cpu = (unsigned)half(r);
    half(r);
    read_chain(event, r);
    size = half(r);
    raw = take(r, size);
    if (r->bad || !record_parse_point(event, raw, size, formats))
        return false;
    read_user(event, r);
    return !r->bad;
}

/* ---- What processes do -------------------------------------------------------------------------- */

static bool read_mapping(struct trace_event *event, struct reader *r)
{
    uint64_t major;

    event->kind = TRACE_MAPPED;
    event->pid = (pid_t)half(r);
    event->tid = (pid_t)half(r);
    event->start = word(r);
    event->end = event->start + word(r);
    event->offset = word(r);
    major = half(r);
    event->device = major << 32 | half(r);
    event->inode = word(r);
    word(r); /* the inode's generation */
    word(r); /* protection and flags */
    event->path = (const char *)r->at;
    return !r->bad && memchr(r->at, '\0', (size_t)(r->end - r->at));
}

/* Of a process, whose first thread's name is its own. */
static bool read_name(struct trace_event *event, struct reader *r, uint16_t misc)
{
    event->kind = misc & PERF_RECORD_MISC_COMM_EXEC ? TRACE_EXECUTED : TRACE_RENAMED;
    event->pid = (pid_t)half(r);
    event->tid = (pid_t)half(r);
    event->path = (const char *)r->at;
    return !r->bad && event->pid == event->tid && memchr(r->at, '\0', (size_t)(r->end - r->at));
}

/* Threads come unnoticed. */
static bool read_fork(struct trace_event *event, struct reader *r)
{
    event->kind = TRACE_FORKED;
    event->pid = (pid_t)half(r);
    event->parent = (pid_t)half(r);
    event->tid = (pid_t)half(r);
    return !r->bad && event->pid == event->tid;
}

bool record_parse(struct trace_event *event, const uint8_t *record,
                  const struct format formats[TRACE_POINTS])
{
    struct perf_event_header header;
    struct reader r;

    memcpy(&header, record, sizeof(header));
    r = (struct reader){record + sizeof(header), record + header.size, false};
    memset(event, 0, sizeof(*event));
    switch (header.type) {
    case PERF_RECORD_SAMPLE:
        return read_sample(event, &r, formats);
    case PERF_RECORD_MMAP2:
        return read_mapping(event, &r);
    case PERF_RECORD_COMM:
        return read_name(event, &r, header.misc);
    case PERF_RECORD_FORK:
        return read_fork(event, &r);
    default:
        return false;
    }
}
