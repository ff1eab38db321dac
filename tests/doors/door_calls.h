/*
 * The calls that are doors, and those that only change what is known of a connection: one table. An
 * act makes them by the names here, by_close and so on: libc's, or with --syscall the same by its
 * number. So whatever a test asks of one it asks of the other.
 */
#ifndef SAFECLOSE_TESTS_DOOR_CALLS_H
#define SAFECLOSE_TESTS_DOOR_CALLS_H

#include <fcntl.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
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

#ifdef SYS_socketcall
static long make_socketcall(int which, ...)
{
    long arguments[6];
    va_list given;

    va_start(given, which);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(given, long);
    va_end(given);
    return syscall(SYS_socketcall, which, arguments);
}

/* i386 has numbers for them too, which are doors as on other machines. */
#define DOOR_SOCKETCALL(name, which, parameters, ...)                                              \
    __attribute__((unused)) static long by_##name parameters                                       \
    {                                                                                              \
        return calls_by_number ? make_socketcall(which, __VA_ARGS__, 0L, 0L, 0L, 0L)               \
                               : (long)name(__VA_ARGS__);                                          \
    }
#else
#define DOOR_SOCKETCALL(name, which, parameters, ...) DOOR_CALL(name, parameters, __VA_ARGS__)
#endif

DOOR_CALL(close, (int fd), fd)
DOOR_CALL(close_range, (unsigned first, unsigned last, int flags), first, last, flags)
DOOR_CALL(dup, (int fd), fd)
DOOR_CALL(dup2, (int fd, int target), fd, target)
DOOR_CALL(dup3, (int fd, int target, int flags), fd, target, flags)
DOOR_CALL(fcntl, (int fd, int command, long argument), fd, command, argument)
DOOR_SOCKETCALL(socket, SYS_SOCKET, (int domain, int type, int protocol), domain, type, protocol)
DOOR_SOCKETCALL(listen, SYS_LISTEN, (int fd, int backlog), fd, backlog)
DOOR_SOCKETCALL(accept4, SYS_ACCEPT4, (int fd, struct sockaddr *address, socklen_t *len, int flags),
                fd, address, len, flags)
DOOR_SOCKETCALL(connect, SYS_CONNECT, (int fd, const struct sockaddr *address, socklen_t len), fd,
                address, len)
DOOR_SOCKETCALL(shutdown, SYS_SHUTDOWN, (int fd, int how), fd, how)
DOOR_SOCKETCALL(setsockopt, SYS_SETSOCKOPT,
                (int fd, int level, int option, const void *value, socklen_t len), fd, level,
                option, value, len)
DOOR_CALL(epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), epoll,
          operation, fd, event)
DOOR_SOCKETCALL(sendmsg, SYS_SENDMSG, (int fd, struct msghdr *message, int flags), fd, message,
                flags)
DOOR_SOCKETCALL(recvmsg, SYS_RECVMSG, (int fd, struct msghdr *message, int flags), fd, message,
                flags)
DOOR_SOCKETCALL(sendmmsg, SYS_SENDMMSG,
                (int fd, struct mmsghdr *messages, unsigned count, int flags), fd, messages, count,
                flags)
DOOR_SOCKETCALL(recvmmsg, SYS_RECVMMSG,
                (int fd, struct mmsghdr *messages, unsigned count, int flags), fd, messages, count,
                flags, NULL)
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
