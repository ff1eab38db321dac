/* Events as lines that people read. */
#ifndef SAFECLOSE_EVENT_TEXT_H
#define SAFECLOSE_EVENT_TEXT_H

#include "event.h"
#include "format.h"

/* "safeclose: 06:31:07.123Z legacy_server[4242]: ", which begins every line that says something
 * new. */
void event_text_head(struct text *t);

/* The one-liner, with its head and a newline. */
void event_text_line(struct text *t, const struct event *event);

/* The lines that explain it (meaning may be NULL), before those of the stack: loss, why, means,
 * unread, peer; and behind them: fix. */
void event_text_explanation(struct text *t, const struct event *event,
                            const struct meaning *meaning);
void event_text_fix(struct text *t, const struct event *event, const struct meaning *meaning);

#endif
