/*
 * The kernel's directory of tracepoints. If nobody has mounted it, it is mounted where only a descriptor of ours leads
 * to it, and which ends with us.
 *
 * An instance is a directory with buffers and switches of its own, so that what we switch on disturbs nobody.
 */
#ifndef SAFECLOSE_TRACEFS_H
#define SAFECLOSE_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>

#define TRACEFS_PATH 256

/* The path of it; NULL with errno. */
const char *tracefs_find(void);

/* The text of a file below the directory, to be freed; NULL with errno. */
char *tracefs_read(const char *directory, const char *name);

/* False with errno. */
bool tracefs_write(const char *directory, const char *name, const char *text);

/* Makes an instance named for this process, and removes those that killed processes have left. False with errno. */
bool tracefs_make_instance(const char *tracefs, char instance[TRACEFS_PATH]);

void tracefs_remove_instance(const char *instance);

#endif
