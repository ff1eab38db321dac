/*
 * The lots of this process, as its other threads see them. One of them gets new connections; older ones have lost their
 * feed and keep what they hold. What is decided about a lot (whether it lives, which memory it runs on, whether it
 * should end) is in memory of this process alone. The kernel empties that memory in a fork child, so no other process
 * can change it.
 */
#ifndef SAFECLOSE_LOTS_H
#define SAFECLOSE_LOTS_H

#include "ground/boundary.h"
#include "remedy/lot.h"
#include "report/ledger.h"

#include <stdbool.h>
#include <stdint.h>

/* Starts a lot that takes parcels from feed, one end of a pair; the caller keeps that end, and has all signals blocked.
 * Lots that live keep what they hold; if there are too many, the oldest ends. Returns the new thread's id, 0 if a lot
 * must end first, or -errno. Waits for at most 100 ms until the thread has its own descriptor table. One thread at a
 * time may call it. */
long lots_start(int feed, int log);

/* The lot of this process with this thread id; NULL if there is none. */
struct lot_control *lots_find(int tid);

/* Whether this process has a lot. */
bool lots_live(void);

/* Whether a lot holds a connection, or has yet to take one that was sent to it. */
bool lots_busy(void);

/* Wakes this lot if it naps. */
void lots_hurry(struct lot_control *lot);

#define LOTS_WHEN_EMPTY 0

/*
 * Tells all lots to end, and waits for that. With an enum ended as reason they drain and close all that is parked, with
 * LOTS_WHEN_EMPTY they let it linger. feed: leads to one of them, or -1. surely: a lot that still lives at the deadline
 * (monotonic, ns) is ended by force, the kernel closes what it holds, and this returns when no lot lives, however long
 * that takes. False if one still lived at the deadline.
 */
bool lots_end(int feed, int reason, int64_t deadline, bool surely);

/* After lots_end: waits until the kernel no longer counts the lots' threads, at most until the deadline. */
void lots_await_burial(int64_t deadline);

/* Makes each lot's thread make this system call (number and arguments). True if all have, and can take it back. No lot
 * may start meanwhile. */
bool lots_follow(const long call[4]);

/* Whether each lot's thread has the same rights as the calling thread, by what it noted at its start or at the last
 * lots_follow. */
bool lots_agree(void);

#endif
