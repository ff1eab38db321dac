/*
 * How the doors that only watch fill the table of descriptors. Call all of it after boundary_enter. It keeps errno, and
 * asks the kernel only what the table can't answer.
 */
#ifndef SAFECLOSE_TRACK_H
#define SAFECLOSE_TRACK_H

#include "ground/fdtable.h"

/* fd is a new number, with this entry; an entry without flags says that it is not TCP. */
void track_new(int fd, struct fd_info info);

/* fd came from a process that can't be followed. */
void track_arrived(int fd);

/* Notes what makes the program a service: what it was started with on 0 to 2 and the numbers of LISTEN_FDS. For the
 * constructor. */
void track_start(void);

/* Notes the rest of it, if that has not been done. */
void track_inherited(void);

/* To be called where the program begins to use a connection or a listening socket, by a call that gives it a number or
 * may: track_inherited, and first_use_opening. */
void track_use(void);

/* The flags of fd; asks the kernel for them if nothing is known of fd. */
uint32_t track_flags(int fd);

#endif
