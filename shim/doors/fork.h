/*
 * Before and after the calls by which another process comes to hold our connections.
 */
#ifndef SAFECLOSE_FORK_H
#define SAFECLOSE_FORK_H

#include <stdbool.h>
#include <stdint.h>

/* Registers handlers for the forks that libc makes by itself. For the constructor. */
void fork_start(void);

/* What fork_end has to do. */
enum forking { FORK_UNWATCHED, FORK_WATCHED, FORK_STOOD_DOWN, FORK_VFORK };

/* Before a fork. */
enum forking fork_begin(void);

/* Before a clone with these flags. If it makes a process that shares our memory, and is no vfork, our work ends
 * (doors/standdown.h). */
enum forking fork_clone_begin(uint64_t flags);

/* After it, in parent and child. pid: what fork returned, which is returned. */
long fork_end(enum forking forking, long pid);

/* daemon returns in the child, and its parent has ended. */
enum forking fork_daemon_begin(void);
int fork_daemon_end(enum forking forking, int ret);

/* The calling thread is about to vfork, by the stub of hooks/fork.c. FORK_VFORK if fork_end must be called when it
 * returns in the parent. ends_by_call: that call will come. */
enum forking fork_vfork_begin(bool ends_by_call);

#endif
