/*
 * The one path that every door takes.
 */
#ifndef SAFECLOSE_CLOSING_H
#define SAFECLOSE_CLOSING_H

#include "report/event.h"
#include "settings/config.h"

/*
 * fd is about to be given up through this door, called from call_site: asks the kernel what that
 * will do, drains or parks if asked to and allowed, reports, and forgets the number. Call it after
 * boundary_enter and before the real call. Costs one system call for what is no TCP socket, and one
 * for a connection that was seen accepted or connected and has nothing unread. Never waits for the
 * peer, or for a reader of the log; keeps errno.
 */
void closing(int fd, enum via via, const void *call_site);

/* closing_mode: the mode of a close that begins now. closing_in: closing() in a mode that the caller has asked for. */
enum mode closing_mode(void);
void closing_in(int fd, enum via via, const void *call_site, enum mode mode);

/* The same for every TCP socket known in a range of numbers; the cost is one of the sockets in it.
 */
void closing_range(unsigned first, unsigned last, enum via via, const void *call_site);

/* The process ends: the same for all of them. */
void closing_all(enum via via, const void *call_site, enum mode mode);

/* Called just before the real call where that will reset the connection, or those that wait on a
 * listening socket. Does nothing: it is exported for debuggers to stop at, `break
 * safeclose_reset_ahead`. */
void safeclose_reset_ahead(int fd);

/* After the real call, which closed these numbers or failed. A hook for the same number that libc, or
 * another preloaded library, entered within that call was part of the same close. */
void closing_done(unsigned first, unsigned last, bool closed);

/* Whether closing this number is any business of ours: it is, or may be, a TCP socket. At most one
 * call. */
bool closing_concerns(int fd);

/* fd is given up before the library is ready: counted where it is a TCP socket, so that the summary
 * can say that nobody judged it. */
void closing_early(int fd);

#endif
