/*
 * What is told of a close, and what is only counted.
 */
#ifndef SAFECLOSE_TELL_H
#define SAFECLOSE_TELL_H

#include "holders/owner.h"
#include "report/event.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether SAFECLOSE_PORTS covers the connection. */
bool tell_covers(const struct fd_info *info, const struct probe *p);

/* Whether the close is the process's own business. One that never used TCP may have inherited its parent's. */
bool tell_is_own(const struct close *c);

/* Whether it is worth an event at the end of a process. */
bool tell_is_news(const struct event *e, const struct close *c);

/* What may come after a close in order, in this state of the connection. Up to two calls. */
enum risk tell_risk(const struct close *c, uint8_t state);

/* Counts a close in order, and now and then what may come after it. */
void tell_clean(const struct close *c);

/* Asks what only a reader wants to know. bytes: room for a preview of what is unread. Some ten calls. */
void tell_look_closer(struct event *e, const struct close *c, uint8_t bytes[CONFIG_PREVIEW_MAX]);

/* Counts the close, and writes its event (written: it is to be), now or when the kernel has said what became of it.
 * last: what the last close would do. */
void tell_close(struct event *e, const struct close *c, const struct verdict *last, bool written);

#endif
