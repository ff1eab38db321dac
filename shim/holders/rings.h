/*
 * What io_uring may have been told to do with a connection. A request in a ring is memory that the program
 * shares with the kernel, so nobody sees it. One kind matters for lingering: IORING_OP_EPOLL_CTL, which puts
 * a connection into an epoll set. (libuv makes a ring for that in each loop.)
 *
 * A ring can't do so by itself. The program gives its requests to the kernel by io_uring_enter, which comes by
 * our syscall(). Each such call is counted before it begins and after it is over, and a connection's entry has
 * the count (`rings`) of a moment when no ring had registered it: before it was created, or before an
 * epoll_ctl(EPOLL_CTL_DEL) of it that succeeded. If the count is the same at the close, no ring was given any
 * request since, and none was being given one. That stays true until the number is free: only by the number
 * can a ring be told of the connection, and a program in which one thread registers a number while another
 * closes it has no right answer to expect from the kernel either.
 *
 * The count does not show two things. Requests that wait (for a link, a timeout, a lock) are carried out after
 * the call that gave them. And a connection may be in more sets than the one it was taken out of. But a program
 * that takes a connection out does so because its close might not. It must wait until its requests are done, or
 * the kernel finds nothing to take out. So we trust that it has taken it out of the other sets, too.
 * Our own EPOLL_CTL_DEL at the close, of what was seen registered, says nothing of that kind.
 *
 * With IORING_SETUP_SQPOLL a thread of the kernel's looks for requests, and nothing has to be called: no
 * connection of such a process is trusted any more. Another process may give its ring a connection that it
 * shares with this one; of what was never in other hands it can't know. A program that inlines its
 * system calls, as liburing does, isn't seen at all.
 */
#ifndef SAFECLOSE_RINGS_H
#define SAFECLOSE_RINGS_H

#include "ground/fdtable.h"

#include <stdbool.h>
#include <stdint.h>

/* Around a call that may give requests to a ring. */
void rings_begin(void);
void rings_end(void);

/* A ring takes requests without a call. */
void rings_distrust(void);

/* For the entry (fdtable.h) of a connection that no ring has registered: taken before what makes that true. */
uint64_t rings_count(void);

/* Whether a ring may have put the connection into an epoll set that it is in still. No call. */
bool rings_may_have(const struct fd_info *info);

/* The threads that were in a call are not in this process. */
void rings_fork_child(void);

#endif
