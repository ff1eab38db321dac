/* Messages to the user, and the exit status that goes with them. */
#ifndef SAFECLOSE_SAY_H
#define SAFECLOSE_SAY_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stdio.h>

/* As env, nohup and timeout have it: what is below belongs to the command that was run. */
enum {
    STATUS_FAILED = 125, /* our own failure, bad usage included */
    STATUS_CANT_RUN = 126,
    STATUS_NOT_FOUND = 127,
};

/* "safeclose: unable to ..." on stderr: what, which value, why. */
void unable(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line without what could drive a terminal: control characters are written as \xXX. */
void say_plain(FILE *to, const char *text);

/* The escape sequence for what is written to this stream next ("1" bold, "31" red, "0" as before);
 * "" if it isn't a terminal that shows colours, or NO_COLOR asks for none. */
const char *colour(FILE *to, const char *code);

/* As asprintf, but never fails: without memory there is nothing left to do. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Flushes what was printed. False, and says so, where it could not be written. */
bool printed(void);

#endif
