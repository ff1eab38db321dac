/*
 * The one path that every door takes.
 */
#ifndef SAFECLOSE_CLOSING_H
#define SAFECLOSE_CLOSING_H

#include "event.h"

/*
 * fd is about to be given up through this door, called from call_site: asks the kernel what that
 * will do, drains where asked to and allowed, reports, and forgets the number. Call it after
 * boundary_enter and before the real call. Costs one system call for what is no TCP socket, and one
 * for a connection that was seen accepted or connected and has nothing unread. Never waits; keeps
 * errno.
 */
void closing(int fd, enum via via, const void *call_site);

/* fd is given up before the library is ready: counted where it is a TCP socket, so that the summary
 * can say that nobody judged it. */
void closing_early(int fd);

#endif
