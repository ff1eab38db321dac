/*
 * Which process has given up which connection while a relative may still hold it. Nothing else needs to be written
 * down: what a process inherited follows from the time of its fork, and by its end it gives everything up. (The same
 * holds for epoll sets. A child inherits the sets and the number, and can take the connection out. Only what is put
 * into a set after the fork is unknown to relatives, so that is written down, too.)
 *
 * This is a table in the family's memory with eight entries to a bucket. A writer claims an entry by compare-and-swap
 * and never waits. If there is no room, the process counts as a holder until it is dead.
 */
#ifndef SAFECLOSE_GIVEN_H
#define SAFECLOSE_GIVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of shared memory that it needs, and the memory, all zero; NULL: there is none. For the constructor. */
size_t given_size(void);
void given_start(void *memory);

/* Whether the table has any entry. */
bool given_any(void);

/* The process at this place gives up the connection with this serial. origin: the place of the process that created
 * it. False if there is no room. */
bool given_note(uint64_t serial, uint32_t origin, uint32_t place);

/* The process at this place puts it into an epoll set. Likewise. */
bool given_to_epoll(uint64_t serial, uint32_t origin, uint32_t place);

/* Several processes may give it up at the same time and see that nobody is left. True for the first that asks: it is
 * the one that acts. */
bool given_claim(uint64_t serial);

/* When the process at this place gave it up, as a serial; 0: it did not. */
uint64_t given_when(uint64_t serial, uint32_t place);

/* A process that can't be followed may hold the connection; whether that was said. False if there is no room: then
 * nothing may be proven any more (family_distrust). */
bool given_lose(uint64_t serial, uint32_t origin);
bool given_is_lost(uint64_t serial);

/* The process at this place executes a program that keeps the connection: it is lost from now on, and for good unless
 * the exec fails. False as above. */
bool given_exec_begin(uint64_t serial, uint32_t origin, uint32_t place);
void given_exec_failed(uint64_t serial, uint32_t place);

/* Whether a process at another place than this one has put it into an epoll set. */
bool given_in_epoll(uint64_t serial, uint32_t except);

/* Removes all entries of a connection that nobody holds any more. */
void given_forget(uint64_t serial);

#endif
