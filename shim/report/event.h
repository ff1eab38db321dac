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
    ACTION_PASSED,    /* drain or linger was asked for and declined; the note says why */
    ACTION_COUNT
};

/* Why an action was declined, or an outcome can't be told: the log's `note`. */
enum note {
#define NOTE(id, name, text) NOTE_##id,
#include "report/notes.def"
#undef NOTE
    NOTE_COUNT
};

/* When a close was: nanoseconds, of CLOCK_REALTIME and CLOCK_MONOTONIC; of the first 0: now. */
struct moment {
    int64_t real;
    int64_t mono;
};

/* What a close in order leaves open: the peer may still send, which resets; and that would destroy output. */
enum risk { RISK_NONE, RISK_SEND, RISK_OUTPUT };

struct event {
    int fd;
    enum via via;
    const void *call_site;  /* the hook's return address */
    struct probe probe;     /* as it was before an action */
    struct verdict verdict; /* with the outcome that this close really has */
    bool confirmed;         /* the kernel said so afterwards */
    enum action action;
    enum note note;
    int holder; /* where the note is "shared": the other number of this process; -1: another process */
    uint64_t discarded;
    enum whose whose;       /* EITHER where nobody saw it begin */
    enum content content;   /* of what is unread, where that could be looked at */
    unsigned when;          /* it was left so: of causes.def, for what that means */
    const uint8_t *preview; /* the first of it, as much as the settings ask for */
    unsigned preview_size;
    int pid; /* whose close it was, and which thread's, where that is not the caller's; else 0 */
    int tid;
    bool handed;      /* open when the program was started, as a service's of an inetd is */
    bool passed;      /* over a UNIX socket, most likely */
    bool untouchable; /* no mode would touch it, or should: who else holds it can't be known, it was
                         shut down for reading, or the program has an io_uring */
    enum risk risk;
    bool is_end; /* of a lingering, which the close began */
    enum ended ended;
    bool is_late; /* what was held at its close has been reset since */
    uint64_t ms;  /* since that close, of an end and of what is late */
    struct moment at;
    const struct stack *stack; /* where the close was called, if not by the caller of event_emit */
};

/* Writes the first lines of a family, once: what the settings got wrong, and the mode. The log is open. */
void event_announce(void);

enum { USES_TCP = 1, TELLS = 2 }; /* process->greeted: in a mode that does */

/* Whether one more event may be written in this second; counted as suppressed where not. Ask before
 * going to any expense for it. */
bool event_admit(void);

/* Writes an admitted event, with an explanation where warn has not yet explained this call site
 * (the first four return addresses) and cause. errno kept. */
void event_emit(const struct event *event);

/* A line that says what went wrong, which the caller puts in between: as the log's format writes a text. NULL
 * where there is none. */
struct line *event_problem_begin(void);
void event_problem_end(struct line *line);

/* Writes why the log file could not be reopened, once, into the one that is still open. For whoever
 * has just written a line to the log; the line is used again. */
void event_log_trouble(struct line *line);

#define EVENT_RATE 100

/* Whether through this door go all descriptors of a process that ends. */
static inline bool event_is_exit(enum via via)
{
    return via >= VIA_EXIT_GROUP;
}

#endif
