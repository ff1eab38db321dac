/*
 * What the doors that only watch tell the table of descriptors. All of it after boundary_enter;
 * keeps errno; asks the kernel only where the table can't answer.
 */
#ifndef SAFECLOSE_TRACK_H
#define SAFECLOSE_TRACK_H

#include "ground/fdtable.h"

/* fd is a new number, for this; a note of no flags is for what is not TCP. */
void track_new(int fd, struct fd_info note);

/* fd came from somewhere that is not followed. */
void track_arrived(int fd);

/* What a program that was just started has inherited. For the constructor. */
void track_inherited(void);

/* The flags of a socket, asked for now where it came unseen. */
uint32_t track_flags(int fd);

#endif
