/*
 * Whether the process with this pid is dead, as far as can be told here. A number that the kernel gave to another process
 * meanwhile counts as alive: leaving a connection alone for its sake does no harm.
 */
#ifndef SAFECLOSE_PID_H
#define SAFECLOSE_PID_H

#include <stdbool.h>

/* Any process, by what can be told of it in any way. Up to five calls. */
bool pid_is_gone(int pid);

/* A child of this process that has ended. One call; nobody's wait misses it (WNOWAIT). */
bool pid_can_be_waited_for(int pid);

/* Somebody else's child that has ended, but not been waited for. False if this process has threads. Three calls. */
bool pid_has_ended(int pid);

#endif
