/*
 * The feed: the end of a socket pair that passes connections to a lot (parcel.h), this process's own or, in a fork
 * child, its parent's. Its number is among the program's descriptors, so it is checked before each use. All of this is
 * memory of this process alone; a fork child begins with its parent's values.
 */
#ifndef SAFECLOSE_FEED_H
#define SAFECLOSE_FEED_H

#include <stdbool.h>
#include <stdint.h>

/* A mark by which a feed is recognized; 0 if it has none, and can't be kept. */
uint64_t feed_mark(int fd);

/* Takes over fd as the feed, with this mark. */
void feed_keep(int fd, uint64_t mark);

/* The feed leads to the lot with this thread, of this process: from now on it is used. */
void feed_lead(int tid);

/* The feed's number; -1 if there is none, or the program has closed it or put something else there. */
int feed_number(void);

/* Whether fd is the feed. */
bool feed_owns(int fd);

/* Which lot the feed leads to, as a value for the functions below; 0: to none. */
uint64_t feed_target(void);

/* The thread of that lot, if it is this process's; else 0. */
int feed_own_thread(uint64_t target);

/* Whether that lot's process is dead; others may still hold its end of the pair. */
bool feed_is_orphaned(uint64_t target);

/* The feed leads to that lot no more, unless it leads elsewhere by now. */
void feed_lose(uint64_t target);

#endif
