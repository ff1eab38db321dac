/*
 * The lingering close: half-close, then discard in the background until the peer is done. linger.c says how it works.
 */
#ifndef SAFECLOSE_LINGER_H
#define SAFECLOSE_LINGER_H

#include "ground/fdtable.h"
#include "report/event.h"

#include <stdbool.h>

/* Starts a lot if there is none and the mode asks for one: linger, or drain in a program with threads. Called when a
 * connection is accepted or opened, or will soon be closed. Usually an atomic read or two; once in a process the price
 * of a thread, or a wait of at most 100 ms for the thread that is starting one. Keeps errno. */
void linger_prepare(bool threads);

/*
 * RLIMIT_NPROC may forbid our thread. linger_limited: the program is about to lower it. linger_prepare_limited: if it
 * has done so, or is about to, starts a lot for any mode that may yet come (SAFECLOSE_CONTROL), and waits for a thread
 * that is starting one. linger_retry: the limit has changed, so a lot that could not be started may start now. All keep
 * errno.
 */
void linger_limited(void);
void linger_prepare_limited(void);
void linger_retry(void);

/*
 * Parks the event's connection, which the program is about to give up: takes it out of the program's epoll sets, passes
 * it to the lot, and half-closes it if the flags (enum parcel_flag) ask for that and there are no other threads; with
 * threads the lot half-closes it. Returns REASON_NONE, or why not; then the connection is as it was,
 * but for its epoll sets, O_ASYNC and owner. Waits for nothing but the start of a lot.
 */
enum reason linger_park(const struct event *event, const struct fd_info *info, unsigned flags);

/* The process ends: waits for at most SAFECLOSE_EXIT_WAIT until its own lots are empty, then ends what is left. Returns
 * at once if nothing is parked. */
void linger_wait(void);

/*
 * Before and after calls that the kernel refuses to a process with several threads (unshare). linger_stop drains and
 * closes what is parked, ends this process's own lots, and lets none start until linger_resume gets its answer: true
 * if the mode acts and this is no vfork child. When it returns, no thread of ours lives: usually after 0.1 ms, after 2
 * s if one had to be ended by force. Both keep errno.
 */
bool linger_stop(void);
void linger_resume(bool stopped);

/*
 * The same around a change of rights. call: the number and arguments of the system call that it makes; NULL if it is
 * more than one. What lingers goes on if the lot's thread can make that call, too, and the program can take it back.
 * When linger_change_end returns, no thread of ours has other rights than the calling thread. Both keep errno.
 */
struct linger_change {
    bool began;
    bool had_lot; /* there was a lot, and must be one again */
    int ahead;    /* the thread of a lot that was started for after the call; 0 */
};
struct linger_change linger_change_begin(const long call[4]);
void linger_change_end(struct linger_change change);

/* In a fork child, when it first notices: its parent's lots are none of its own. */
void linger_fork_child(void);

/* The program has a descriptor's owner notified of what happens on it (F_SETOWN, fcntl(2)). */
void linger_note_owner(void);

/* True if fd is a descriptor of ours, which the program can't have meant. */
bool linger_owns(int fd);

/* The lot of this process that the feed leads to, as long as it takes parcels; else NULL. For linger.c. */
struct lot_control;
struct lot_control *linger_own_lot(uint64_t target);

#endif
