/*
 * Where lines go, without ever waiting for a reader.
 *
 * A line is built in one of 64 buffers (mapped for the first line), claimed by compare-and-swap with every signal
 * of the thread blocked: a handler can't find the buffer half done, and the SIGPIPE, SIGXFSZ or
 * SIGTTOU that our own write raises is taken back before the program could see it. No buffer free,
 * or a write that would wait or fails: the line is dropped and counted (counts.lost).
 */
#ifndef SAFECLOSE_SINK_H
#define SAFECLOSE_SINK_H

#include "ground/format.h"
#include "report/stack.h"

#include <stdbool.h>
#include <stdint.h>

#define SINK_LINE 2048 /* bytes of a line, or of an event with its explanation */

struct line {
    struct text text;
    uint64_t signals;   /* the thread's mask before the claim */
    struct stack stack; /* for a line that has one */
    char bytes[SINK_LINE];
    _Atomic int taken; /* by a thread of this process; 0: free */
};

/* For the constructor: what stderr is. */
void sink_start(void);

/* Opens the log that the settings name, unless it is. At the first use of TCP; or before a chroot or a change of
 * rights, after which it could not be opened any more. */
void sink_open(void);

/* An empty line, or NULL if none is free (counted as lost). Give it back with sink_release. */
struct line *sink_claim(void);
void sink_release(struct line *line);

/* Writes the line's text to the log, or to stderr; if that fails, counts it as lost. */
void sink_write_log(struct line *line);
void sink_write_stderr(struct line *line);

/* The log file could not be reopened, and that was not reported yet. put_trouble appends the reason, once, as the log's
 * format writes it; false if another thread was faster. */
bool sink_has_trouble(void);
bool sink_put_trouble(struct text *t);

/* True if events are JSON. */
bool sink_json(void);

/* True if they are text in a file, which is read days later. */
bool sink_is_text_file(void);

/* The log's descriptor, -1 if there is none; and where it stands in the lot's own table, for the
 * lot's thread to tell when it starts. */
int sink_descriptor(void);
void sink_in_lot(int number);

/* Whether one of these numbers is where the log goes. */
bool sink_is_within(unsigned first, unsigned last);

/* True if fd is a descriptor of ours, which the program can't have meant. */
bool sink_owns(int fd);

#endif
