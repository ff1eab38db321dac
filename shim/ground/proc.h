/*
 * Walking a directory of /proc whose names are numbers, without libc's allocation.
 */
#ifndef SAFECLOSE_PROC_H
#define SAFECLOSE_PROC_H

#include <stdbool.h>

enum proc_walk {
    PROC_ALL,     /* every name was visited */
    PROC_STOPPED, /* the visitor returned false */
    PROC_FAILED,  /* the directory can't be read */
};

/* Opens a directory; a descriptor to close with SYS_close, or -errno. */
long proc_open(const char *path);

/* Calls visit(dir, name, number, context) for each number in the open directory until it returns
 * false. */
enum proc_walk proc_walk(int dir,
                         bool (*visit)(int dir, const char *name, int number, void *context),
                         void *context);

#endif
