/*
 * What is asked of the kernel before a close, and no more than that needs.
 */
#ifndef SAFECLOSE_FACTS_H
#define SAFECLOSE_FACTS_H

#include "holders/owner.h"
#include "report/event.h"

#include <stdbool.h>

/* Most closes end here: nothing is unread, no reset was asked for, and the close is counted. One call, of a
 * connection that was seen from its beginning and never shared; up to four more of others. False where more needs to
 * be asked. Notes in the close what it found out. */
bool facts_surely_clean(struct close *c);

/* Fills in the event's probe: the facts, and whose they are. False where the kernel does not answer. Up to six calls. */
bool facts_ask(struct event *e, struct close *c, enum probe_kind kind);

/* The socket never was a connection, nor waiting for one. No call. */
bool facts_of_unused(const struct event *e, const struct fd_info *info);

#endif
