/*
 * The words of the log: "unread-data", "rst", "close_range", "http-request". JSON's values are these. Pure.
 *
 * Each takes a value of its enum and returns a string that stays; never NULL.
 */
#ifndef SAFECLOSE_NAMES_H
#define SAFECLOSE_NAMES_H

#include "report/event.h"
#include "tcp/content.h"
#include "tcp/verdict.h"

#include <stdint.h>

const char *names_cause(enum cause cause);
const char *names_outcome(enum outcome outcome);
const char *names_content(enum content content);
const char *names_via(enum via via);
const char *names_action(enum action action);
const char *names_reason(enum reason reason);
const char *names_ended(enum ended ended);

/* Of a kernel state (enum tcp_state): "CLOSE_WAIT"; "" of one that has no name. */
const char *names_state(uint8_t state);

#endif
