/*
 * The record of one close, and its way into the log.
 */
#ifndef SAFECLOSE_EVENT_H
#define SAFECLOSE_EVENT_H

#include "ground/boundary.h"
#include "holders/owner.h"
#include "report/ledger.h"
#include "report/meaning.h"
#include "report/sink.h"
#include "tcp/content.h"
#include "tcp/probe.h"
#include "tcp/verdict.h"

#include <stdbool.h>
#include <stdint.h>

enum via {
#define DOOR(id, name) VIA_##id,
#include "doors/doors.def"
#undef DOOR
    VIA_COUNT
};

enum action {
    ACTION_NONE,      /* log and warn do nothing; nothing was to be done */
    ACTION_DRAINED,   /* what was unread is discarded */
    ACTION_DRAINING,  /* parked in the lot, which drains it when it may */
    ACTION_LINGERING, /* half-closed, and parked in the lot */
    ACTION_PASSED,    /* drain or linger was asked for and declined; the reason says why */
    ACTION_COUNT
};

/* Why an action was declined, or an outcome is unknown: the log's `note`. */
enum reason {
#define REASON(id, name, text) REASON_##id,
#include "report/reasons.def"
#undef REASON
    REASON_COUNT
};

/* When a close was, in ns of CLOCK_REALTIME and CLOCK_MONOTONIC; real 0: now. */
struct moment {
    int64_t real;
    int64_t mono;
};

/* What may still happen after an orderly close: the peer sends, which resets; and that destroys output. */
enum risk { RISK_NONE, RISK_SEND, RISK_OUTPUT };

struct event {
    int fd;
    enum via via;
    const void *call_site;  /* the hook's return address */
    struct probe probe;     /* as it was before an action */
    struct verdict verdict; /* with the outcome that this close really has */
    bool confirmed;         /* the kernel said so afterwards */
    enum action action;
    enum reason reason;
    int holder; /* where the reason is "shared": the other number of this process; -1: another process */
    uint64_t discarded;
    enum whose whose;       /* EITHER if its beginning was not seen */
    enum content content;   /* of the unread bytes, if they could be looked at */
    unsigned when;          /* enum when: how far the program had come (causes.def) */
    const uint8_t *preview; /* the first unread bytes, as many as the settings ask for */
    unsigned preview_size;
    int pid; /* the process and thread of the close, if not the caller's; else 0 */
    int tid;
    bool handed;      /* open when the program was started, as a service's of an inetd is */
    bool passed;      /* over a UNIX socket, most likely */
    bool untouchable; /* no mode may touch it: another process may hold it, it was shut down for
                         reading, or the program has an io_uring */
    enum risk risk;
    bool is_end; /* the end of what lingered since the close */
    enum ended ended;
    bool is_late; /* it was held at its close, and has been reset since */
    uint64_t ms;  /* since the close, if is_end or is_late */
    struct moment at;
    const struct stack
        *stack; /* of the close, if that was not called by the caller of event_emit */
};

/* Writes the first lines of a family, once: what is wrong with the settings, and the mode. The log is open. */
void event_announce(void);

enum { USES_TCP = 1, TELLS = 2 }; /* process->greeted: in a mode that does */

/* Whether one more event may be written in this second; if not, counts it as suppressed. Ask before spending time on
 * an event. */
bool event_admit(void);

/* Writes an admitted event, and in warn an explanation for the first event of a call site (the first four return
 * addresses) and cause. Keeps errno. */
void event_emit(const struct event *event);

/* A line that says what went wrong: the caller appends the text in between, as the log's format writes it. NULL if no
 * line is free. */
struct line *event_problem_begin(void);
void event_problem_end(struct line *line);

/* Writes once, into the log that is still open, why it could not be reopened. Call it after a line was written; the
 * line is used again. */
void event_log_trouble(struct line *line);

#define EVENT_RATE 100

/* Whether the process ends by this door. */
static inline bool event_is_exit(enum via via)
{
    return via >= VIA_EXIT_GROUP;
}

#endif
