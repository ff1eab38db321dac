/*
 * The lots of this process, as its own threads see them. One of them is fed; others have lost their
 * feeding end and go on with what they hold. What is decided about them (whether one lives, on which
 * memory it runs, whether it should end) stands in memory of this process alone, which the kernel
 * empties in a fork child: nobody else has a say in it.
 */
#ifndef SAFECLOSE_LOTS_H
#define SAFECLOSE_LOTS_H

#include "ground/boundary.h"
#include "remedy/lot.h"
#include "report/ledger.h"

#include <stdbool.h>
#include <stdint.h>

/* Starts one, which takes parcels from this end of a pair; the caller keeps that too, and has every
 * signal blocked. Those that live go on with what they hold, and if there are too many the oldest ends.
 * Its thread id, 0 where one must end first, -errno where none can be had. Waits until its descriptor table is
 * its own, for at most 100 ms. By one thread at a time. */
long lots_start(int feed, int log);

/* The lot of this process whose thread this is, NULL where it has none such. */
struct lot_control *lots_find(int tid);

/* Whether a lot of this process lives. */
bool lots_live(void);

/* Whether one of them holds anything, or will when it has looked. */
bool lots_busy(void);

/* Wakes the lot of this thread out of a nap. */
void lots_hurry(struct lot_control *lot);

/* Has all of them end when they have nothing left, and waits for that; feed leads to one of them, or is
 * -1. False where one still lives at this monotonic time, in ns. */
bool lots_finish(int feed, int64_t deadline);

/*
 * Ends all of them, what is parked drained and closed, for this reason. One that has not ended at the
 * deadline is ended by force where `surely`, and what it holds is closed by the kernel; this returns when
 * none lives, whatever that takes.
 */
void lots_end(int feed, enum ended reason, int64_t deadline, bool surely);

/* Waits until the kernel has ceased to count their threads, at most until the deadline. */
void lots_await_burial(int64_t deadline);

/* Has each make this system call, number and arguments, in its own thread. True where all have, and whatever they
 * had before it they can get back. None may be started meanwhile. */
bool lots_follow(const long call[4]);

/* Whether each has the very rights of the calling thread, as far as it knows: those after its start, or its last
 * lots_follow. */
bool lots_agree(void);

#endif
