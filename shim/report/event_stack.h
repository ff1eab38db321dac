/* Return addresses in the log: for programs as module and address in it, for people with names. */
#ifndef SAFECLOSE_EVENT_STACK_H
#define SAFECLOSE_EVENT_STACK_H

#include "report/sink.h"
#include "report/stack.h"

/* ["/srv/server+0x1a4c",...]; of what does not fit the last frames are left out, and false is
 * returned. Of code in no module the address alone. */
bool event_stack_json(struct text *t, const struct stack *stack);

/* A line for each that has a name, one for all those in a row that have none, and a command that
 * names them. Written with write_line where the line's buffer is nearly full; the rest is left in
 * it, with room for EVENT_STACK_LEFT bytes. Not for two threads at a time: the second gets no
 * names. */
#define EVENT_STACK_LEFT 512
void event_stack_text(struct line *line, const struct stack *stack,
                      void (*write_line)(struct line *line));

#endif
