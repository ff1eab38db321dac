/*
 * Closes whose event is yet to be written, because the kernel says only afterwards what they did.
 *
 * A record is claimed before the real close, and told after it by the same thread. What is still held then is told
 * as held, and its record kept: it is asked about again, at first 10 ms later. If it is gone by then that is told as
 * well: as a reset, where only a call in progress, or a child that was about to execute a program, can have held it;
 * else as probably one. Not where a process of the family holds it, which tells of its own close.
 *
 * Records are few, their memory comes with the first, and a fork child has none of its parent's. Where no record is
 * free the verdict is told at once, unconfirmed. A record that its thread left by siglongjmp, or by being cancelled,
 * is told by the thread's next close of that number, or at the exit.
 */
#ifndef SAFECLOSE_PENDING_H
#define SAFECLOSE_PENDING_H

#include "holders/owner.h"
#include "report/event.h"

#include <stdbool.h>

/* fd, whose event this is, is about to be closed, which as the last close of it would do what last says. The event
 * is copied, and what it points to. others: somebody else may hold the connection, and read it. False where
 * no record is free: then nothing is done. A question to the kernel, or three. */
bool pending_add(const struct event *event, const struct verdict *last, bool others);

/* The real call has closed these numbers, or, closed false, did not: what this thread added of them is told, or
 * forgotten. Nothing at all, and no call, where it added none. */
void pending_done(unsigned first, unsigned last, bool closed);

/* Asks about what was held, if it is time to. No call where nothing was. */
void pending_ask_again(void);

/* The process ends: all that is pending is told. */
void pending_end(void);

#endif
