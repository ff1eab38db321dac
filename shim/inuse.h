/* Whether another thread of this process is inside a system call on a descriptor. */
#ifndef SAFECLOSE_INUSE_H
#define SAFECLOSE_INUSE_H

#include <stdbool.h>

/*
 * True where a thread is blocked in a call with this descriptor (/proc/self/task/TID/syscall,
 * proc(5)), or where that can't be told: no /proc, a kernel without the file, a thread on the CPU
 * at this moment. 1 to 2 us a thread; gives up, with true, after INUSE_LOOK_NS.
 */
bool inuse_by_thread(int fd);

#define INUSE_LOOK_NS 1000000

#endif
