/* Why a reset was sent, from what the kernel says of it. Pure: a function of facts gathered before. */
#ifndef SAFECLOSE_RESET_CAUSE_H
#define SAFECLOSE_RESET_CAUSE_H

#include <stdbool.h>

enum reset_cause {
#define CAUSE(id, name, words, fix) RESET_##id,
#include "trace/reset_causes.def"
#undef CAUSE
    RESET_CAUSES
};

struct reset_facts {
    bool received;      /* it came in */
    const char *reason; /* the kernel's name; NULL if it gives none */
    int state;          /* TCP_...; 0 unknown */
    unsigned functions; /* of the kernel, as kernel_names_in says */
    bool closed;        /* a close of this connection was seen before */
    bool closed_here;   /* or the only one on this local end, of a reset that names no peer */
    bool half_closed;   /* or a half-close, and nothing after it */
    bool refused_here;  /* received from this machine, whose TCP did not send it */
};

struct reset_answer {
    enum reset_cause cause;
    const char *words;
    bool inferred;   /* the kernel gave no reason: from its functions and the state */
    bool by_process; /* the process that ran caused it; else a packet or a timer did */
};

struct reset_answer reset_cause(const struct reset_facts *facts);

/* "unread-data" and so on. */
const char *reset_cause_name(enum reset_cause cause);

/* "data arrived after the close" and so on. */
const char *reset_cause_words(enum reset_cause cause);

/* What to do about it; "" if there is nothing to say. */
const char *reset_cause_fix(enum reset_cause cause);

#endif
