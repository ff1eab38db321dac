/*
 * The border between the program and us: are we ready, are we wanted, and which process is this?
 *
 * There are four ways to get another process. fork: the child has a copy of our memory, but the kernel wipes the page
 * with struct process (MADV_WIPEONFORK). So any kind of fork is noticed without a system call. vfork: the child runs
 * in its parent's memory. The vfork hook marks the thread, and while the mark stands, the real pid is asked for. Any
 * other clone with CLONE_VM: the real pid is compared before anything is written or done (boundary_is_ours). exec: all
 * begins anew.
 */
#ifndef SAFECLOSE_BOUNDARY_H
#define SAFECLOSE_BOUNDARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of it is zero in a new process. */
struct process {
    _Atomic int pid;             /* 0 until the first hook of this process */
    _Atomic int greeted;         /* what of first_use is done */
    _Atomic int summary_written; /* or about to be: one thread takes it on */
};

/* This process's page. Valid once boundary_enter has returned true. */
extern struct process *process;

/* For the constructor. start maps the page; in_child is called at the first hook of every fork child, and learns
 * whether the fork went through boundary_fork_begin. ready comes last, and lets the hooks act unless the mode is
 * off. */
void boundary_start(void (*in_child)(bool seen_fork));
void boundary_ready(bool on);

/* True until the constructor has run: then another library's constructor, or malloc's start-up, is calling. */
bool boundary_early(void);

/* Whether we may look and act: the constructor has run, the mode is not off, and this is no known vfork child. Every
 * hook asks this first. No system call, but for the first hook of a fork child. */
bool boundary_enter(void);

/* Whether the real pid is this process's. Ask before writing or acting. One call. */
bool boundary_is_ours(void);

/* Before and after a fork, in the thread that forks. */
void boundary_fork_begin(void);
void boundary_fork_end(void);

/* Before and after a call that starts a program, which keeps what is not close-on-exec. */
void boundary_spawn_begin(void);
void boundary_spawn_end(void);

/* Whether any thread is between boundary_spawn_begin and boundary_spawn_end. */
bool boundary_spawning(void);

/* Whether this thread is between boundary_fork_begin and boundary_fork_end. */
bool boundary_forking_here(void);

/* The calling thread is about to vfork, which counts as a spawn until boundary_vfork_end. ends_by_call: that call will come;
 * otherwise until this thread's next hook, which may be in a signal handler before the child exists. */
void boundary_vfork(bool ends_by_call);

/* In the parent, when vfork has returned. */
void boundary_vfork_end(void);

/* Whether the calling thread is in a vfork child, running in its parent's memory with descriptors
 * of its own. */
bool boundary_vfork_child(void);

/* boundary_enter or boundary_vfork_child: for hooks that must know what is given away. */
bool boundary_watches(void);

/* Whether the calling thread is the only one, as libc says. libc does not know it in a fork child of a process with
 * threads; there the kernel is asked (two calls; not under a seccomp filter, which may kill for that). */
bool boundary_single_threaded(void);

/* Whether the process probably has threads: good enough to prepare for them. A fork child counts as one thread. No
 * call. */
bool boundary_likely_threads(void);

/* How many lots (lot.h) a process may have at a time: one that gets new connections, and some that have lost their feed
 * and keep what they hold. */
#define BOUNDARY_LOTS 4

/* Says where the lots' threads run: memory is an array of BOUNDARY_LOTS elements of `each` bytes, stacks included;
 * tids[] holds their thread ids, or 0. A fork wipes both. */
void boundary_set_lots(const void *memory, size_t each, const _Atomic int *tids);

/* The number of the lot whose thread is calling, from 1; 0: a thread of the program is. No call. */
int boundary_lot(void);

/* Whether this is the id of a lot's thread. */
bool boundary_is_lot(int tid);

/* From now on every hook passes through, because the program has made our questions dangerous or our table wrong. False
 * if that was so already. */
bool boundary_stand_down(void);

bool boundary_stood_down(void);

/* Takes that back: the call that made it necessary has failed. */
void boundary_resume(void);

#endif
