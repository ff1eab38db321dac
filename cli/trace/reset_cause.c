#include "trace/kernel_names.h"
#include "trace/reset_cause.h"

#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    const char *words;
    const char *fix;
} causes[RESET_CAUSES] = {
#define CAUSE(id, name, words, fix) {name, words, fix},
#include "trace/reset_causes.def"
#undef CAUSE
};

static const struct reason {
    const char *name;
    enum reset_cause cause;
    const char *words;
} reasons[] = {
#define REASON(name, cause, words) {name, RESET_##cause, words},
#include "trace/reset_causes.def"
#undef REASON
};

const char *reset_cause_name(enum reset_cause cause)
{
    return causes[cause].name;
}

const char *reset_cause_words(enum reset_cause cause)
{
    return causes[cause].words;
}

const char *reset_cause_fix(enum reset_cause cause)
{
    static const char *const library[][2] = {
#define CAUSE(id, name, why, peer, fix, without) {name, fix},
#include "shim/tcp/causes.def"
#undef CAUSE
    };

    for (size_t i = 0; i < sizeof(library) / sizeof(library[0]); i++)
        if (strcmp(library[i][0], causes[cause].name) == 0)
            return library[i][1];
    return causes[cause].fix;
}

static bool within(const struct reset_facts *f, enum kernel_function function)
{
    return f->functions >> function & 1;
}

/* Of a reset that our own end began. In the order in which the kernel's functions call each other: the innermost
 * says most. */
static enum reset_cause by_functions(const struct reset_facts *f)
{
    if (within(f, KERNEL_LISTEN_STOP))
        return RESET_PENDING_ACCEPTS;
    if (within(f, KERNEL_ABORT))
        return RESET_DESTROYED;
    if (within(f, KERNEL_KEEPALIVE))
        return RESET_KEEPALIVE;
    if (within(f, KERNEL_WRITE_TIMER))
        return RESET_MEMORY;
    if (within(f, KERNEL_DISCONNECT))
        return within(f, KERNEL_CLOSE) ? RESET_ZERO_LINGER : RESET_DISCONNECT;
    return within(f, KERNEL_CLOSE) ? RESET_UNREAD_DATA : RESET_UNKNOWN;
}

/* Before Linux 6.10. A close also resets when memory is short, which looks like unread data. */
static enum reset_cause infer(const struct reset_facts *f)
{
    if (!within(f, KERNEL_ANSWER))
        return by_functions(f);
    if (f->closed || f->state == TCP_FIN_WAIT1 || f->state == TCP_FIN_WAIT2 ||
        f->state == TCP_TIME_WAIT)
        return RESET_LATE_DATA;
    return f->state ? RESET_PROTOCOL : RESET_NO_SOCKET;
}

static const struct reason *find_reason(const char *name)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(reasons[i].name, name) == 0)
            return &reasons[i];
    return NULL;
}

/* TCP_STATE says only that a connection that was open is not any more. */
static struct reset_answer by_reason(const struct reset_facts *f)
{
    const struct reason *reason = find_reason(f->reason);
    struct reset_answer a = {.cause = RESET_UNKNOWN};

    if (reason) {
        a.cause = reason->cause;
        a.words = reason->words;
    } else
        a.cause = by_functions(f);
    return a;
}

/* A packet that fits nothing any more, to a connection whose close we have seen. */
static bool came_late(const struct reset_facts *f, enum reset_cause cause)
{
    return f->closed && (cause == RESET_NO_SOCKET || cause == RESET_PROTOCOL);
}

static bool is_from_a_packet(enum reset_cause cause)
{
    return cause == RESET_LATE_DATA || cause == RESET_NO_SOCKET || cause == RESET_PROTOCOL ||
           cause == RESET_FIREWALL || cause == RESET_PEER;
}

struct reset_answer reset_cause(const struct reset_facts *f)
{
    struct reset_answer a = {.cause = f->refused_here ? RESET_FIREWALL : RESET_PEER};

    if (!f->received && f->reason)
        a = by_reason(f);
    if (!f->received && (!f->reason || strcmp(f->reason, "NOT_SPECIFIED") == 0)) {
        a.cause = infer(f);
        a.inferred = true;
    }
    /* The listener answers for a connection that is forgotten; the kernel says no peer then. */
    if (f->closed_here && a.cause == RESET_PROTOCOL) {
        a.cause = RESET_LATE_DATA;
        a.inferred = true;
        a.words =
            "a segment of a connection that the kernel has forgotten, most likely of this close";
    }
    if (came_late(f, a.cause)) {
        a.cause = RESET_LATE_DATA;
        a.words = "data arrived after the close, when the kernel had forgotten the connection";
    }
    if (a.cause == RESET_LATE_DATA && f->half_closed)
        a.words = "data arrived after the program shut this connection down";
    if (!a.words)
        a.words = causes[a.cause].words;
    a.by_process = !is_from_a_packet(a.cause);
    return a;
}
