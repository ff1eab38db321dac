/*
 * Who else holds a connection that is given up here? Draining it, or half-closing it, is theft where
 * somebody does; so the answer is "nobody" only where that is proven, by what can't become false while we
 * act on it.
 *
 * Holders are processes. A connection that is created here, and after the last fork, is in nobody else's
 * hands; that is told from this process's own memory. Else whoever was forked by a holder, after the
 * connection's creation was begun, may hold it (family.h), until it is dead or has said that it gave it
 * up (given.h). Nobody can come to hold it but by a holder: by a fork, which is counted, so that a look
 * at the family during which somebody forked is repeated; or by being passed on, which is noted before it
 * happens and is out of sight from then on. So when no other process can hold it, none ever will.
 *
 * A process gives a connection up with its last number. A thread that may be in a call on it holds it
 * still, so a process with threads stays among the holders until none is (holders_release), or it is dead.
 */
#ifndef SAFECLOSE_HOLDERS_H
#define SAFECLOSE_HOLDERS_H

#include "ground/fdtable.h"

#include <stdbool.h>
#include <stdint.h>

enum held {
    HELD_BY_NOBODY,
    HELD_HERE,      /* by another number of this process */
    HELD_ELSEWHERE, /* another process may hold it */
    HELD_UNKNOWN,   /* can't be told */
};

/* For the constructor. */
void holders_start(void);

/* A note for a connection whose creation is about to be asked of the kernel; the flags are yet to be set. */
struct fd_info holders_note(void);

/* Whether anybody else may ever have held it, and asked something of it. */
bool holders_were_others(const struct fd_info *note);

/* All numbers of this process are about to be given up, by its end. One with other threads, which may be in a
 * call until it is dead, stays among the holders until then. Up to two calls. */
void holders_end(void);

/*
 * A number with this note is given up. *number is the other one where HELD_HERE. ending: after holders_end, so
 * that nothing need be written down. stays: another thread may be in a call on it, so the process stays among
 * its holders. Up to some calls where others may hold it; none else. Where they did, and
 * one has put it into an epoll set that this process does not know of, it becomes FD_EPOLL_STUCK.
 */
enum held holders_give_up(int fd, struct fd_info *note, bool ending, bool stays, int *number);

/* What stayed so is given up after all. Of the note serial, origin and flags are used. */
enum held holders_release(struct fd_info *note);

/* For the end of a process that was forked by one which had thousands: its parent's place, where that lives
 * and nobody has given anything up, so that all which it created is its own still; else 0. */
uint32_t holders_keeper(void);

/* Before fd is put into an epoll set, and after: whoever was forked before doesn't know, and is told. */
void holders_enter_epoll_begin(int fd);
void holders_enter_epoll_end(int fd, int epoll);

/* Whether it may be in an epoll set by this number. */
bool holders_in_epoll(const struct fd_info *note);

/* Whether this process holds fd by another number, and which. */
bool holders_hold_here(int fd, const struct fd_info *note, int *number);

/* fd has got one number more; returns the note for it, all zero where fd is not known to be TCP. forks as
 * it was before the call that copied: a fork that came between may have copied one number or both. */
struct fd_info holders_dup(int fd, uint32_t forks);
uint32_t holders_forks(void);

/* fd's connection is out of sight for good. */
void holders_lose(int fd);

/* All of this process's are. */
void holders_lose_all(void);

/* This process sends connections to others over UNIX sockets, or gets them so. */
void holders_note_passing(void);
bool holders_pass_on(void);

/* Whether a program started now keeps fd, as far as can be told. One call. */
bool holders_survives_exec(int fd);

/* What a program started now, or by an exec of this process, would keep is lost: what is not
 * close-on-exec. */
void holders_lose_kept(void);

/* pidfd_getfd was called: it takes what it wants from any process. */
void holders_taken(void);

#endif
