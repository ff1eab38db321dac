/*
 * What surrounds the calls by which another process comes to hold our connections.
 */
#ifndef SAFECLOSE_FORKING_H
#define SAFECLOSE_FORKING_H

#include <stdbool.h>
#include <sys/types.h>

/* Before a fork. False where nobody is to watch it. */
bool forking_begin(void);

/* After it, in parent and child: what fork returned, passed through. */
pid_t forking_end(bool watched, pid_t pid);

/* Around a call that starts a program and returns when that has its own memory. */
bool spawning_begin(void);
void spawning_end(bool watched);

/* Before an exec. In a vfork child as well: what it keeps is its parent's. */
void execing(void);

#endif
