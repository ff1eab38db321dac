/*
 * What is done about a close, or why nothing is: from the verdict, the mode, and who else holds the connection.
 */
#ifndef SAFECLOSE_PLAN_H
#define SAFECLOSE_PLAN_H

#include "holders/owner.h"
#include "report/event.h"

#include <stdbool.h>

/* Whether what the peer may still send could do harm, and lingering can prevent it. Up to one call. */
bool plan_lingers(const struct event *e, const struct close *c);

/* From "the last close would do this" to what this one does, given who else holds the connection: sets the event's
 * reason, holder and outcome. */
void plan_for_owner(struct event *e, struct close *c);

/* Drains, or passes it to the lot, where the mode asks for it and nothing forbids it: sets the event's action, reason and
 * outcome. logged: the close's event will be written. Waits only for the start of a lot. */
void plan_act(struct event *e, const struct close *c, bool logged);

/* A parcel's flags (remedy/parcel.h): what is to become of a connection that is shared now, if the others have given it
 * up by then. */
unsigned plan_kept_flags(const struct close *c);

#endif
