/*
 * The calls that are doors, and those that only change what is known of a connection: one table. An
 * act makes them by the names here, by_close and so on: libc's, or with --syscall the same by its
 * number. So whatever a test asks of one it asks of the other.
 */
#ifndef SAFECLOSE_TESTS_DOOR_CALLS_H
#define SAFECLOSE_TESTS_DOOR_CALLS_H

#include <fcntl.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Only some architectures have these. */
#ifndef SYS_dup2
#define SYS_dup2 SYS_dup3
#endif

static bool calls_by_number; /* --syscall */

/* A zero follows, for dup2 where its number is dup3's. */
#define DOOR_CALL(name, parameters, ...)                                                           \
    __attribute__((unused)) static long by_##name parameters                                       \
    {                                                                                              \
        return calls_by_number ? syscall(SYS_##name, __VA_ARGS__, 0L) : (long)name(__VA_ARGS__);   \
    }

DOOR_CALL(close, (int fd), fd)
DOOR_CALL(close_range, (unsigned first, unsigned last, int flags), first, last, flags)
DOOR_CALL(dup, (int fd), fd)
DOOR_CALL(dup2, (int fd, int target), fd, target)
DOOR_CALL(dup3, (int fd, int target, int flags), fd, target, flags)
DOOR_CALL(fcntl, (int fd, int command, long argument), fd, command, argument)
DOOR_CALL(socket, (int domain, int type, int protocol), domain, type, protocol)
DOOR_CALL(listen, (int fd, int backlog), fd, backlog)
DOOR_CALL(accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags), fd, address, len,
          flags)
DOOR_CALL(connect, (int fd, const struct sockaddr *address, socklen_t len), fd, address, len)
DOOR_CALL(shutdown, (int fd, int how), fd, how)
DOOR_CALL(setsockopt, (int fd, int level, int option, const void *value, socklen_t len), fd, level,
          option, value, len)
DOOR_CALL(epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), epoll,
          operation, fd, event)
DOOR_CALL(sendmsg, (int fd, struct msghdr *message, int flags), fd, message, flags)
DOOR_CALL(recvmsg, (int fd, struct msghdr *message, int flags), fd, message, flags)
DOOR_CALL(sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags), fd, messages,
          count, flags)
DOOR_CALL(recvmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags), fd, messages,
          count, flags, NULL)
DOOR_CALL(unshare, (int flags), flags)
DOOR_CALL(prctl, (int option, long a, const void *b), option, a, b, 0L, 0L)
DOOR_CALL(mq_notify, (mqd_t queue, const struct sigevent *event), queue, event)

/* Those whose two names differ in more than the name. */
__attribute__((unused, noreturn)) static void by__exit(int status)
{
    if (calls_by_number)
        syscall(SYS_exit_group, status);
    _exit(status);
}

__attribute__((unused)) static long by_fork(void)
{
#ifdef SYS_fork
    return calls_by_number ? syscall(SYS_fork) : fork();
#else
    return calls_by_number ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
#endif
}

#endif
