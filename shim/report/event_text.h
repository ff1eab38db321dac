/* Events as lines that people read. */
#ifndef SAFECLOSE_EVENT_TEXT_H
#define SAFECLOSE_EVENT_TEXT_H

#include "ground/format.h"
#include "report/event.h"

/* "safeclose: 06:31:07.123Z legacy_server[4242]: ", which begins every line that says something
 * new. */
void event_text_head(struct text *t);

/* The one-liner, with its head and a newline. */
void event_text_line(struct text *t, const struct event *event);

/* The lines that explain it, in the order in which they help. Before those of the stack: the loss,
 * what it most likely is (meaning, which may be NULL), what to do. After them: the reasons. */
void event_text_advice(struct text *t, const struct event *event, const struct meaning *meaning);
void event_text_reasons(struct text *t, const struct event *event);

#endif
