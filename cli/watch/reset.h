/*
 * A reset, with all that is known of it: made from the kernel's event and from what was seen before.
 *
 * Who caused it is said only where the kernel's attribution can be trusted. A reset by a packet or a timer happens in
 * whatever process runs; then it is the process whose close came before, or nobody.
 */
#ifndef SAFECLOSE_RESET_H
#define SAFECLOSE_RESET_H

#include "watch/closings.h"
#include "trace/reset_cause.h"
#include "trace/trace.h"
#include "stack/watched.h"

struct reset {
    const struct trace_event *event;
    struct reset_answer why;
    const struct closing *close; /* that came before it, or NULL */
    pid_t pid;                   /* of who caused it; 0: unknown */
    pid_t tid;
    const char *comm;
    const struct watched *process; /* NULL with pid 0 */
    bool ending;                   /* it was the end of the process */
    struct known_stack *stack;     /* of the close; NULL: none */
    int64_t late;                  /* ns from the close to the reset; -1: no close */
};

/* Takes note of a change of state: a close or a half-close, for resets to come. */
void reset_note_closing(const struct trace_event *event);

/* Takes note of a reset that was sent, for resets that come in. */
void reset_note_sent(const struct trace_event *event);

/* Fills reset from an event of the kinds TRACE_SENT and TRACE_RECEIVED. complete: every reset that was sent has been
 * noted, so one that came from here and was not is a firewall's. Good until the next call of any function. */
void reset_fill(struct reset *reset, const struct trace_event *event, bool complete);

#endif
