/*
 * Closes whose event is not written yet, because only after a close does the kernel say what it did.
 *
 * A thread claims a record before the real close, and writes the event after it. If the connection is still held then,
 * the event says so, and the record stays: the kernel is asked again, at first after 10 ms. If the connection is gone by
 * then, a second event says that it was reset, if only a call in progress or a child that was about to execute a
 * program can have held it; otherwise that it probably was. There is no second event if a process of the family holds
 * the connection: that process reports its own close.
 *
 * There are few records; their memory is mapped for the first one, and a fork child has none of its parent's. If no
 * record is free, the event has the verdict at once, unconfirmed. If a thread left its record by siglongjmp, or was
 * cancelled, its next close of that number writes the event, or the exit does.
 */
#ifndef SAFECLOSE_PENDING_H
#define SAFECLOSE_PENDING_H

#include "holders/owner.h"
#include "report/event.h"

#include <stdbool.h>

/* The event's fd is about to be closed. last: what that would do as the last close. others: another process may hold
 * the connection, and read it. Copies the event, and what it points to. False if no record is free: then nothing is
 * done. One to three questions to the kernel. */
bool pending_add(const struct event *event, const struct verdict *last, bool others);

/* The real call has closed these numbers, or failed (closed is false): writes the events that this thread added for
 * them, or forgets them. No call if it added none. */
void pending_done(unsigned first, unsigned last, bool closed);

/* Asks again about what was held, if it is time. No call if nothing was. */
void pending_ask_again(void);

/* The process ends: writes all events that are pending. */
void pending_end(void);

#endif
