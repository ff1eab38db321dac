/*
 * The border between the program and us: are we ready, are we wanted, and in which process is this?
 *
 * Four ways of getting another process matter. fork: the child has a copy of our memory; the page
 * that struct process stands on is wiped by the kernel (MADV_WIPEONFORK), which notices any kind of
 * fork without a call. vfork: the child runs in its parent's memory; the vfork hook leaves a mark
 * with the thread, and while it stands the real pid is asked. clone with CLONE_VM by other ways:
 * found when the real pid is compared before anything is written or done (boundary_is_ours). exec:
 * starts afresh.
 */
#ifndef SAFECLOSE_BOUNDARY_H
#define SAFECLOSE_BOUNDARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of it is zero in a new process. */
struct process {
    _Atomic int pid;     /* 0 until the first hook of this process */
    _Atomic int greeted; /* what of first_use is done */
    _Atomic int ended;   /* the summary is written */
};

/* This process's page. Valid once boundary_enter has returned true. */
extern struct process *process;

/* From the constructor: start finds the page; in_child is called in every fork child that comes to
 * notice, told whether the fork went through boundary_fork_begin. ready comes last, and lets the
 * hooks in unless the mode is off. */
void boundary_start(void (*in_child)(bool seen_fork));
void boundary_ready(bool on);

/* True until the constructor has run: another library's constructor, or malloc's start-up, is
 * calling. */
bool boundary_early(void);

/* True where the shim may look and act: constructor run, mode not off, and not in a vfork child
 * that is known to be one. Every hook asks this first. No system call, but in a fresh fork child.
 */
bool boundary_enter(void);

/* True where the real pid is this process's: asked before writing or acting. One call. */
bool boundary_is_ours(void);

/* Around a call that forks, in the thread that does. */
void boundary_fork_begin(void);
void boundary_fork_end(void);

/* Around a call that starts a program: it keeps what is not close-on-exec. */
void boundary_spawn_begin(void);
void boundary_spawn_end(void);

/* Whether a thread is between the two. */
bool boundary_spawning(void);

/* True where this thread is between boundary_fork_begin and boundary_fork_end. */
bool boundary_forking_here(void);

/* The calling thread is about to vfork, which is a spawn too, until boundary_vfork_end. Not told: until
 * that thread's next hook, which may be one of a handler of signals before the child is there. */
void boundary_vfork(bool told);

/* In the parent, when vfork has returned. */
void boundary_vfork_end(void);

/* Whether the calling thread is in a vfork child, running in its parent's memory with descriptors
 * of its own. */
bool boundary_vfork_child(void);

/* boundary_enter, or boundary_vfork_child: where what is given away must be known. */
bool boundary_watches(void);

/* Whether the calling thread is the only one, as libc says; of a fork child whose parent had more, of which it
 * does not know, the kernel is asked (two calls; not under a seccomp filter, which may kill for that). */
bool boundary_single_threaded(void);

/* What will do to prepare for it: a fork child is taken for one of one thread. No call. */
bool boundary_likely_threads(void);

/* How many lots (lot.h) a process may have at a time: one that is fed, and some that lost their
 * feeding end and go on with what they hold. */
#define BOUNDARY_LOTS 4

/* Tells where the lots' threads run: their memory is an array of BOUNDARY_LOTS elements of `each` bytes,
 * stacks included, and tids[] holds their thread ids, 0 where there is none. Both are wiped by fork. */
void boundary_set_lots(const void *memory, size_t each, const _Atomic int *tids);

/* Which lot's thread is calling, counted from 1; 0: a thread of the program. No call. */
int boundary_lot(void);

/* Whether this is the id of a lot's thread. */
bool boundary_is_lot(int tid);

/* From now on every hook passes through: the program has made our questions dangerous or our table
 * wrong. */
bool boundary_stand_down(void);

bool boundary_stood_down(void);

/* What was given up goes on: the call that would have made it necessary failed. */
void boundary_resume(void);

#endif
