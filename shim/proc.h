/*
 * Walking a directory of /proc whose names are numbers, without libc's allocation.
 */
#ifndef SAFECLOSE_PROC_H
#define SAFECLOSE_PROC_H

#include <stdbool.h>
#include <stdint.h>

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

/* CLOCK_MONOTONIC in ns; 0 where the kernel refuses to tell (a seccomp filter). */
int64_t proc_now_ns(void);

/* Whether this time has come; true where nobody can tell, so that no wait depends on a clock. */
bool proc_is_over(int64_t deadline);

/* At once where the kernel refuses. */
void proc_sleep_ns(long ns);

/* Until who does something for this process, and stands there meanwhile, is done; 10 ms at least, not for ever:
 * who did it when this process was forked is not here. */
void proc_await(_Atomic int *who, int pid);

#endif
