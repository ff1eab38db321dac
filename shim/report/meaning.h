/*
 * From what is known of a close to one sentence on what it is and one of advice (causes.def). Pure.
 */
#ifndef SAFECLOSE_MEANING_H
#define SAFECLOSE_MEANING_H

#include "tcp/content.h"
#include "tcp/verdict.h"

#include <stdint.h>

enum whose { ACCEPTED = 1 << 0, OPENED = 1 << 1, EITHER = ACCEPTED | OPENED };

/* More than one may hold. */
enum when { ENDED = 1 << 0, UNTOUCHED = 1 << 1, ANSWERED = 1 << 2, EVER = 1 << 3 };

struct meaning {
    uint8_t cause;
    uint8_t content;
    uint8_t whose;
    uint8_t when;
    const char *what;
    const char *advice; /* "": the cause's own */
};

/* NULL if no row fits. when: a set of enum when; EVER always holds. */
const struct meaning *meaning_of(enum cause cause, enum content content, enum whose whose,
                                 unsigned when);

#endif
