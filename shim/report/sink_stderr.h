/* The stderr that the program started with, and no other file that comes to stand on number 2. */
#ifndef SAFECLOSE_SINK_STDERR_H
#define SAFECLOSE_SINK_STDERR_H

#include <stdbool.h>
#include <stddef.h>

/* Remembers what number 2 is. For the constructor. */
void sink_stderr_start(void);

/* False if number 2 is something else by now, or the line can't be written without waiting. */
bool sink_stderr_write(const char *bytes, size_t len);

#endif
