/* What the parts of a reset's text are written with. */
#ifndef SAFECLOSE_WATCH_LINES_H
#define SAFECLOSE_WATCH_LINES_H

#include "shim/ground/format.h"
#include "stack/known_stacks.h"

#define WATCH_AGAIN (600 * 1000000000LL) /* ns after which the same is shown in full again */

/* Writes the line to standard output and begins a new one. */
void watch_put_line(struct text *t);

/* Without what could drive a terminal. */
void watch_put_plain(struct text *t, const char *text);

/* A time of day, ns since 1970, without the date. */
void watch_put_clock(struct text *t, int64_t now);

/* Lines with the functions of a stack, innermost first; or, if it was shown before, one that says when. */
void watch_put_stack(struct text *t, struct known_stack *known, int64_t now);

#endif
