/*
 * Asks the kernel before a close, and no more than the close needs.
 */
#ifndef SAFECLOSE_FACTS_H
#define SAFECLOSE_FACTS_H

#include "holders/owner.h"
#include "report/event.h"

#include <stdbool.h>

/* Most closes end here: nothing is unread, no reset was asked for, and the close is counted. Usually one call; up to
 * six more for the peer's FIN, for unacknowledged output, and if others hold or held the connection. False if more
 * must be asked. Notes in the close what it found out. */
bool facts_surely_clean(struct close *c);

/* Fills in the event's probe: facts and peer. False if the kernel does not answer. Up to eight calls, rarely more. */
bool facts_ask(struct event *e, struct close *c, enum probe_kind kind);

/* The socket never was a connection, nor waiting for one. No call. */
bool facts_of_unused(const struct event *e, const struct fd_info *info);

#endif
