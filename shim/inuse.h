/* Whether another thread of this process is inside a system call on a descriptor. */
#ifndef SAFECLOSE_INUSE_H
#define SAFECLOSE_INUSE_H

enum inuse { INUSE_NO, INUSE_YES, INUSE_UNKNOWN };

/*
 * Whether a thread is blocked in a call with this descriptor (/proc/self/task/TID/syscall,
 * proc(5)). A thread on the CPU, or about to be, shows nothing: it is looked at again, others being
 * let run meanwhile, for INUSE_LOOK_NS; then the answer is UNKNOWN, as it is without /proc. 1 to 2
 * us a thread.
 */
enum inuse inuse_by_thread(int fd);

#define INUSE_LOOK_NS 200000

#endif
