/*
 * What surrounds the calls by which another process comes to hold our connections.
 */
#ifndef SAFECLOSE_FORK_H
#define SAFECLOSE_FORK_H

#include <stdbool.h>
#include <stdint.h>

/* Has libc tell of every fork of its own. For the constructor. */
void fork_start(void);

/* What fork_end has to do. */
enum forking { FORK_UNWATCHED, FORK_WATCHED, FORK_STOOD_DOWN, FORK_VFORK };

/* Before a fork. */
enum forking fork_begin(void);

/* The same before a clone with these flags, where it makes a process: one that shares our memory
 * but not our life ends our work here (doors/standdown.h), but for a vfork by this name. */
enum forking fork_clone_begin(uint64_t flags);

/* After it, in parent and child: what fork returned, passed through. */
long fork_end(enum forking forking, long pid);

/* daemon: what returns is the child, and its parent has ended. */
enum forking fork_daemon_begin(void);
int fork_daemon_end(enum forking forking, int ret);

/* The calling thread is about to vfork, by the stub of hooks/fork.c: FORK_VFORK, if that is to be told
 * when it returns in the parent; told: somebody can. */
enum forking fork_vfork_begin(bool told);

#endif
