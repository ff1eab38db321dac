/*
 * A signal to a lot's thread alone, if a message can't reach it: to make it look whether it should end, to run an
 * errand, or to end it wherever it is.
 *
 * A thread can't be killed from outside, and a call may hold it for as long as a peer likes (close(2) with SO_LINGER).
 * So each lot's thread admits one signal. Signals and their handlers belong to the program, but for a few numbers that
 * libc keeps for itself. NUDGE_SIGNAL is the one that glibc sends to its own threads within setuid(2) and the like
 * (nptl(7)), and musl in pthread_cancel. Once we have used it, our handler stands in place of libc's, and passes on
 * what is not meant for a lot; so libc's own signals still arrive. glibc installs its handler before there is a second
 * thread that could nudge; musl's may come while we nudge.
 */
#ifndef SAFECLOSE_NUDGE_H
#define SAFECLOSE_NUDGE_H

#include <stdatomic.h>
#include <stdbool.h>

#define NUDGE_SIGNAL 33

/* Makes the calling thread, which is a lot's, admit the signal. False if the kernel refuses. */
bool nudge_admit(void);

/* What the lot's thread does in the handler. lot: its number, from 0. */
typedef void nudge_errand(int lot, const long *argument);

/*
 * Nudges the thread of the lot with this number; its id is tids[lot], 0 once it is gone. Returns when the thread has
 * left the call that it was in, and has done the errand if there is one; or when it is gone; or after half a second or
 * more, and then the errand will not be done: a call of the lot's may last as long as another user likes (the close of
 * a file of theirs). Waits if another thread is nudging. Not for a lot's own thread. Does nothing if the kernel
 * refuses signals.
 */
void nudge(const _Atomic int *tids, int lot, nudge_errand *errand, const long *argument);

/* An errand: ends the thread at once; the kernel closes what it holds. */
void nudge_end(int lot, const long *argument);

/* Whether the kernel still knows this lot's thread. */
bool nudge_finds(int tid);

/* Returns when no thread of this process is in nudge. */
void nudge_await(void);

/* In a fork child, at its first hook: a thread that was in nudge is in the parent. */
void nudge_fork_child(void);

#endif
