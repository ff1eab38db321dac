/*
 * The end of a pair by which connections are passed to a lot (parcel.h): this process's own lot, or, in a
 * fork child, its parent's. It stands among the program's descriptors, so it is looked at before each
 * use. All of it is memory of this process alone; a fork child begins with its parent's values.
 */
#ifndef SAFECLOSE_FEED_H
#define SAFECLOSE_FEED_H

#include <stdbool.h>
#include <stdint.h>

/* A mark by which to know a sending end again; 0 where it has none, and can't be kept. */
uint64_t feed_mark(int fd);

/* Takes over the sending end with this mark. */
void feed_keep(int fd, uint64_t mark);

/* It leads to this lot's thread, of this process: from here on it is used. */
void feed_lead(int tid);

/* Its number; -1 where there is none, or the program has closed it or put something else there. */
int feed_number(void);

/* Whether fd is it. */
bool feed_owns(int fd);

/* Which thread of which process it leads to: a value to give to the others; 0 where it leads nowhere. */
uint64_t feed_target(void);

/* The thread, where it is one of this process, else 0. */
int feed_own_thread(uint64_t target);

/* Whether it is a thread of a process that is dead: others may hold its end of the pair still. */
bool feed_is_orphaned(uint64_t target);

/* It leads nowhere, unless it was led elsewhere meanwhile. */
void feed_lose(uint64_t target);

#endif
