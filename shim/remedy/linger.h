/*
 * The lingering close: half-close, go on discarding until the peer is done, in the background. The
 * essay is in linger.c.
 */
#ifndef SAFECLOSE_LINGER_H
#define SAFECLOSE_LINGER_H

#include "ground/fdtable.h"
#include "report/event.h"

#include <stdbool.h>

/* A connection was accepted or opened, or soon will be closed: sees to it that there is a lot to
 * park it in, where the mode asks for one, or the program has threads and the mode drains. Most often an
 * atomic read or two; once in a process the price of a thread, or of waiting for the thread that is about to
 * start one: at most 100 ms. errno kept. */
void linger_prepare(bool threads);

/*
 * RLIMIT_NPROC, which may forbid our thread. limited: the program is about to lower it. prepare_limited: where it
 * has, or is about to, as linger_prepare, for whatever mode may yet come (SAFECLOSE_CONTROL), and waits for a thread that starts it. retry: the limit
 * is another one, so a failure to start a lot need not be one again. errno kept.
 */
void linger_limited(void);
void linger_prepare_limited(void);
void linger_retry(void);

/*
 * Parks the connection of this event, which is about to be given up: takes it out of the program's epoll
 * sets, passes it on, and half-closes it where these flags (enum parcel_flag) ask for it and threads don't
 * forbid it: then that is the lot's to do. NOTE_NONE where that was done. Else the note that says why not;
 * then the connection is as it was, but for its epoll sets, O_ASYNC and owner. Never waits, but for a lot's
 * start.
 */
enum note linger_park(const struct event *event, const struct fd_info *note, unsigned flags);

/* The process ends: waits until this process's own lots are empty, for SAFECLOSE_EXIT_WAIT, then ends
 * what is left. Returns at once where nothing is parked. */
void linger_wait(void);

/*
 * Brackets calls that a process of several threads is refused (unshare). linger_stop ends this process's own lots, what is parked drained and closed, and lets no other
 * be started until linger_resume is told that it did: true where the mode is linger and this is no vfork
 * child. When it returns no thread of ours lives, however long that takes: most often 0.1 ms, and 2 s where
 * one must be ended by force. errno kept.
 */
bool linger_stop(void);
void linger_resume(bool stopped);

/*
 * The same around a change of rights, which comes to this system call (number and arguments; NULL: to no single
 * one). What lingers goes on where its thread can make that call as well, and the program can take it back. When
 * linger_change_end returns no thread of ours has other rights than the calling thread. errno kept.
 */
struct linger_change {
    bool began;
    bool fed;  /* there was a lot, and must be one again */
    int ahead; /* the thread of a lot that was started for after the call; 0 */
};
struct linger_change linger_change_begin(const long call[4]);
void linger_change_end(struct linger_change change);

/* In a fork child, when it first notices: its parent's lots are none of its own. */
void linger_fork_child(void);

/* The program has a descriptor's owner notified of what happens on it (F_SETOWN, fcntl(2)). */
void linger_note_owner(void);

/* True where fd is a descriptor of ours, which the program can't have meant. */
bool linger_owns(int fd);

/* The lot of this process that the feed leads to, as long as it takes parcels; else NULL. For linger.c. */
struct lot_control;
struct lot_control *linger_own_lot(uint64_t target);

#endif
