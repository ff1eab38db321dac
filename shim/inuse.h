/* Whether another thread of this process is inside a system call on a descriptor. */
#ifndef SAFECLOSE_INUSE_H
#define SAFECLOSE_INUSE_H

#include <stdbool.h>

enum inuse { INUSE_NO, INUSE_YES, INUSE_UNKNOWN };

/*
 * Whether a thread is blocked in a call with this descriptor (/proc/self/task/TID/syscall,
 * proc(5)). A thread that is running shows nothing, and may be a reader that was woken and has yet
 * to get a CPU: it is watched until it is seen elsewhere, or its CPU clock has moved so far that no
 * such call can be left; for INUSE_LOOK_NS, then the answer is UNKNOWN, as it is without /proc. 1
 * to 2 us for each thread that is not running.
 */
enum inuse inuse_by_thread(int fd);

#define INUSE_LOOK_NS 1000000
#define INUSE_CPU_NS 50000

#endif
