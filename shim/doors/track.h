/*
 * How the doors that only watch fill the table of descriptors. Call all of it after boundary_enter. It keeps errno, and
 * asks the kernel only what the table can't answer.
 */
#ifndef SAFECLOSE_TRACK_H
#define SAFECLOSE_TRACK_H

#include "ground/fdtable.h"

#include <stdbool.h>

/* fd is a new number, with this entry; an entry without flags says that it is not TCP. */
void track_new(int fd, struct fd_info info);

/* fd came from a process that can't be followed. */
void track_arrived(int fd);

/* Notes what the program was started with: all of it if it has TCP among the first 64 numbers, or SAFECLOSE_INHERITED
 * or LISTEN_FDS say that there is some; else what is above those is noted when it is used. For the constructor. */
void track_inherited(void);

/* For a TCP socket, and its entry that was taken from the table: if the program may have been started with it, and
 * nothing was noted then, asks the kernel, and changes the entry as it would have been. */
bool track_late(int fd, struct fd_info *info);

/* The flags of fd; asks the kernel for them if nothing is known of fd. */
uint32_t track_flags(int fd);

#endif
