/*
 * How the doors that only watch fill the table of descriptors. Call all of it after boundary_enter. It keeps errno, and
 * asks the kernel only what the table can't answer.
 */
#ifndef SAFECLOSE_TRACK_H
#define SAFECLOSE_TRACK_H

#include "ground/fdtable.h"

#include <stdbool.h>

/* fd is a new number, with this entry; an entry without flags says that it is not TCP. False if the entry can't be
 * kept. */
bool track_new(int fd, struct fd_info info);

/* fd came from a process that can't be followed. */
void track_arrived(int fd);

/* Notes the numbers below 64 that the program was started with; higher ones, too, if one of these is TCP,
 * SAFECLOSE_INHERITED is sole, or LISTEN_FDS reaches beyond them. Else track_late notes a higher one. For the
 * constructor. */
void track_inherited(void);

/* fd is a TCP socket; info is its entry, taken from the table. If the program may have been started with fd and it
 * was not noted then, asks the kernel, fills in info, and returns true. */
bool track_late(int fd, struct fd_info *info);

/* The flags of fd; asks the kernel for them if nothing is known of fd. */
uint32_t track_flags(int fd);

#endif
