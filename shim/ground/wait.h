/* Waiting, always with an end. */
#ifndef SAFECLOSE_WAIT_H
#define SAFECLOSE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in ns; 0 if the kernel refuses to tell (a seccomp filter). */
int64_t wait_now_ns(void);

/* Whether this time has come; true where nobody can tell, so that no wait depends on a clock. */
bool wait_is_over(int64_t deadline);

/* At once where the kernel refuses. */
void wait_ns(long ns);

/* Waits while *who is pid: another thread of this process is at work. Gives up after 500 naps of 20 us, which take
 * 10 ms or more. */
void wait_for(_Atomic int *who, int pid);

#endif
