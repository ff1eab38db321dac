/*
 * A signal to a lot's thread alone, for when it can't be reached by a message: to have it look whether
 * it should end, or to end it wherever it is.
 *
 * No thread can be killed from outside, and the kernel may hold one in a call for as long as somebody
 * likes (close(2) with SO_LINGER). So each lot's thread lets one signal in, and its handler ends the
 * thread. Signals and their handlers are the program's, but for the few numbers that libc keeps for
 * itself: NUDGE_SIGNAL is the one that it sends to its own threads within setuid(2) and its kin (nptl(7)).
 * While we use it our handler stands before libc's, to which it gives what is not meant for a lot. libc
 * installs its own before there is a second thread that could nudge. Its own signals of a setuid that come
 * meanwhile reach it that way.
 */
#ifndef SAFECLOSE_NUDGE_H
#define SAFECLOSE_NUDGE_H

#include <stdatomic.h>
#include <stdbool.h>

#define NUDGE_SIGNAL 33

/* Lets the calling thread, a lot's, be nudged. False where the kernel refuses. */
bool nudge_admit(void);

/* What the lot's thread is to do where the signal finds it; lot counts them from 0. */
typedef void nudge_errand(int lot, const long *argument);

/*
 * Nudges the lot's thread whose id *tid is, 0 when it is gone. Returns when it has got out of whatever
 * call it was in and done the errand, if there is one, or is gone. Waits for a thread that another thread
 * nudges. The caller has no lot's thread's stack. Does nothing where the kernel refuses signals.
 */
void nudge(const _Atomic int *tid, nudge_errand *errand, const long *argument);

/* Ends it right there, and what it holds is closed by the kernel. */
void nudge_end(int lot, const long *argument);

/* Whether the kernel still counts this lot's thread. Not refused where the lot was admitted. */
bool nudge_finds(int tid);

/* Returns when no thread of this process is in nudge. */
void nudge_await(void);

/* In a fork child, at its first hook: a thread that was in nudge is in the parent. */
void nudge_fork_child(void);

#endif
