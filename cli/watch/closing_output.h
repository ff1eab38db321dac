/*
 * How much of a connection's output was still under way soon after its close. The tracepoints don't say; so the kernel is
 * asked about the connection (sock_diag(7)) as soon as its close is read, 5 to 25 ms later, in the network namespace of
 * the process that closed it. Nothing is written after a close, so what is under way then is the most that a later
 * reset can lose.
 *
 * Bounds: 2000 questions a second; 200 in other namespaces, because each of those takes a socket of its own: one that was
 * kept would keep the namespace from ending.
 */
#ifndef SAFECLOSE_CLOSING_OUTPUT_H
#define SAFECLOSE_CLOSING_OUTPUT_H

#include "stack/watched.h"

struct closing_output {
    int64_t asked;    /* CLOCK_MONOTONIC, ns; 0: not known */
    uint32_t unacked; /* bytes that the peer had not acknowledged */
    uint32_t unsent;  /* those of them that had not left this machine */
};

/* About the connection of a change to FIN_WAIT1. `process` made it. */
struct closing_output closing_output_ask(const struct trace_event *event,
                                         const struct watched *process);

#endif
