/* Whether another thread of this process is inside a system call on a descriptor. */
#ifndef SAFECLOSE_INUSE_H
#define SAFECLOSE_INUSE_H

#include "probe.h"

#include <stdbool.h>
#include <stdint.h>

enum inuse { INUSE_NO, INUSE_YES, INUSE_UNKNOWN, INUSE_LATER };

#define INUSE_LOOK_NS 1000000
#define INUSE_CPU_NS 50000
#define INUSE_BLOCKED_NS 20000
#define INUSE_BURST_NS 3000000 /* net.core.netdev_budget_usecs is 2000 */
#define INUSE_RUNNING 16       /* of a pool of threads on few processors many may be */

/* Threads that were running when a descriptor was given up, for somebody who holds another
 * reference and has time. */
struct inuse_later {
    int fd;                         /* the number that it had */
    int count;                      /* threads that may be in a call on it yet */
    struct probe_position position; /* of the connection then */
    struct {
        int64_t cpu_ns; /* what its CPU clock showed */
        int tid;
    } thread[INUSE_RUNNING];
};

/*
 * Whether a thread is blocked in a call with this descriptor (/proc/self/task/TID/syscall,
 * proc(5)). A thread that is running shows nothing, and may be a reader that was woken and has yet
 * to get a CPU. later NULL: it is watched until it is seen elsewhere, or its CPU clock has moved so
 * far that no such call can be left; for INUSE_LOOK_NS, then the answer is UNKNOWN, as it is
 * without /proc. Else the answer is LATER, *later says who runs, and nobody is waited for. 1 to 2
 * us for each thread that is not running.
 */
enum inuse inuse_by_thread(int fd, struct inuse_later *later);

/* Looks again at those who ran; fd is another reference to the same connection. LATER: some still
 * do, or are blocked in a call that may be on it. From any thread. */
enum inuse inuse_look_again(struct inuse_later *later, int fd);

#endif
