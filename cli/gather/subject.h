/*
 * What an event of a close is about.
 *
 * A close is told by one event, or by two: if it was held or lingered, a close-end or linger-end says later what
 * came of it. That one has no stack, so what its close was is remembered by its connection.
 */
#ifndef SAFECLOSE_SUBJECT_H
#define SAFECLOSE_SUBJECT_H

#include "gather/report.h"
#include "gather/stacks.h"

struct subject {
    const struct log_event *event;
    uint32_t comm, cause, host, peer, port, process;
    struct stack *stack;
    bool is_end; /* of a close that was told before */
    bool resets;
};

struct subject subject_of(struct report *report, const struct log_event *event);

#endif
