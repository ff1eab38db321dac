/*
 * Who else holds a connection that this process gives up? If somebody does, draining or half-closing it steals
 * that process's data. So the answer is "nobody" only if that is proven, by facts that stay true while we act.
 *
 * Holders are processes. If this process created the connection and has not forked since, nobody else holds it; this
 * process's own memory says so. Otherwise a process may hold it if a holder forked it after the connection was
 * created (family.h). It stops being a holder when it is dead, or when it says that it gave the connection up
 * (given.h).
 *
 * A process can become a holder in two ways only. A holder forks it: forks are counted, and a look at the family
 * is repeated if somebody forked meanwhile. Or a holder passes the connection on: that is noted before it happens,
 * and from then on the connection is out of sight for good. So if no other process can hold it now, none ever will.
 *
 * A process gives a connection up when it closes its last number for it. A thread that may be in a call on the
 * connection holds it longer. So a process with threads stays a holder until no thread is in a call
 * (holders_release), or until it is dead.
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
    HELD_UNKNOWN,
};

/* For the constructor. */
void holders_start(void);

/* The entry for a connection that the program is about to create. The caller sets its flags. */
struct fd_info holders_new_info(void);

/* Whether another process, or another number of this one, may hold the connection now or may have held it before:
 * then it may have set socket options that this process does not know of. */
bool holders_were_others(const struct fd_info *info);

/* This process ends, and gives up all its numbers. A process with other threads stays a holder until it is dead,
 * because they may be in calls until then. Up to two calls. */
void holders_end(void);

/*
 * This process gives up the number fd with this entry. Returns who else holds the connection; *number is the other
 * number if it is HELD_HERE. ending: holders_end was called, so nothing needs to be written down. stays: another
 * thread may be in a call on the connection, so this process stays a holder. No system call if nobody else can hold
 * it, otherwise a few for each process that can. Sets FD_EPOLL_STUCK in the entry if a relative has put the connection
 * into an epoll set that this process does not know of.
 */
enum held holders_give_up(int fd, struct fd_info *info, bool ending, bool stays, int *number);

/* Gives up what this process stayed a holder of. Uses serial, origin and flags of the entry. */
enum held holders_release(struct fd_info *info);

/* The place of this process's parent, if the parent lives and nobody in the family has given anything up: then the
 * parent still holds all that it created, and a child that ends can skip it. Otherwise 0. */
uint32_t holders_keeper(void);

/* Before and after fd is put into an epoll set, which returned ret. Tells the processes that were forked before, which
 * can't know. again: what begin returned, whether the table had it in that set already. */
bool holders_enter_epoll_begin(int fd, int epoll);
void holders_enter_epoll_end(int fd, int epoll, bool again, long ret);

/* Whether this number may be in an epoll set. */
bool holders_in_epoll(const struct fd_info *info);

/* Whether this process holds fd's connection by another number, and by which. */
bool holders_hold_here(int fd, const struct fd_info *info, int *number);

/* fd was duplicated. Returns the entry for the new number, all zero if fd is not known to be TCP. forked: what
 * family_forked returned before the call; a fork that was under way then, or now, or came in between, may have copied
 * one number or both. */
struct fd_info holders_dup(int fd, uint64_t forked);

/* A process that can't be followed may hold fd's connection from now on. */
void holders_lose(int fd);

/* The same for all connections of this process. */
void holders_lose_all(void);

/* This process sends connections over UNIX sockets, or receives them; whether it ever did. */
void holders_note_passing(void);
bool holders_pass_on(void);

/* Whether a program that is executed now keeps fd; true if the kernel does not answer. One call. */
bool holders_survives_exec(int fd);

/* holders_lose for each connection that a program started now would keep: those that are not close-on-exec. */
void holders_lose_kept(void);

/* This process executes a program, which keeps them; or the exec has failed: then everything is as before. Not in a
 * vfork child, and not beside other threads, which may fork. */
void holders_exec_begin(void);
void holders_exec_failed(void);

/* A fork has begun, perhaps in a signal handler within an exec. */
void holders_fork_begun(void);

/* This process called pidfd_getfd, which can take a descriptor from any process. */
void holders_taken(void);

#endif
