/*
 * What surrounds the calls by which another process comes to hold our connections.
 */
#ifndef SAFECLOSE_FORKING_H
#define SAFECLOSE_FORKING_H

#include <stdbool.h>
#include <stdint.h>

/* Has libc tell of every fork of its own. For the constructor. */
void forking_start(void);

/* Before a fork. False where nobody is to watch it. */
bool forking_begin(void);

/* The same before a clone with these flags, where it makes a process: one that shares our memory
 * but not our life ends our work here (giveup.h), but for a vfork by this name. */
bool forking_begin_clone(uint64_t flags);

/* After it, in parent and child: what fork returned, passed through. */
long forking_end(bool watched, long pid);

/* Around a call that starts a program and returns when that has its own memory. */
bool spawning_begin(void);
void spawning_end(bool watched);

/* Before an exec. In a vfork child as well: what it keeps is its parent's. */
void execing(void);

#endif
