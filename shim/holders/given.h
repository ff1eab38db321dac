/*
 * Who has given what up: connections that a process has closed, or passed on, while a relative of it may
 * hold them still. Nothing else has to be written down: what is inherited is known from when its holder
 * was forked, and a process that ends gives all up by that. (So are the epoll sets that a connection is
 * in: they and its number are the child's too, which can take it out as well. Only what is put into a set
 * after the fork is unknown to the relatives, and is written down.)
 *
 * A table in the family's memory, a few entries to a bucket. An entry is claimed by compare-and-swap and
 * never waited for; where there is no room the process counts as a holder until it is dead.
 */
#ifndef SAFECLOSE_GIVEN_H
#define SAFECLOSE_GIVEN_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the memory. For the constructor. */
void given_start(void);

/* Whether anything is written down at all. */
bool given_any(void);

/* This place has given up the connection with this serial; origin is where it was created. False where
 * there is no room. */
bool given_note(uint64_t serial, uint32_t origin, uint32_t place);

/* This place puts it into an epoll set. The same. */
bool given_to_epoll(uint64_t serial, uint32_t origin, uint32_t place);

/* Of those who gave it up at the same time, and see that nobody is left, one is the last: true for the first
 * who asks. */
bool given_claim(uint64_t serial);

/* When this place did, as a serial; 0: it did not. */
uint64_t given_when(uint64_t serial, uint32_t place);

/* The connection is out of sight: somebody who can't be followed may hold it. Where there is no room for
 * it the answer is false, and nothing may be proven any more. */
bool given_lose(uint64_t serial, uint32_t origin);
bool given_is_lost(uint64_t serial);

/* Whether any place but this one has put it into an epoll set. */
bool given_in_epoll(uint64_t serial, uint32_t except);

/* Nobody holds it any more. */
void given_forget(uint64_t serial);

#endif
