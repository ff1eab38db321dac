/* Events as JSON, one object a line (libsafeclose(7), JSON). A key is never renamed. */
#ifndef SAFECLOSE_EVENT_JSON_H
#define SAFECLOSE_EVENT_JSON_H

#include "ground/format.h"
#include "report/event.h"
#include "report/stack.h"

/* {"v":1,"time":...,"event":NAME,"pid":N and no more: what every line begins with. */
void event_json_head(struct text *t, const char *event_name);

/* ,"comm":...,"host":... of this program and machine. */
void event_json_comm(struct text *t);

/* A close. Where it does not fit the last frames of its stack are left out, then the end of its
 * preview. */
void event_json_close(struct text *t, const struct event *event, const struct stack *stack);

/* The start of the process: executable, build-id, mode, version. */
void event_json_start(struct text *t);

/* A thread of the program may have gone to another network namespace. */
void event_json_moved(void);

#endif
