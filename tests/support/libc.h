/*
 * What the test programs use, and musl or an older glibc lacks. It comes before everything else of a source (the Makefile's
 * -include). What can't be made of something else fails here, and scripts/matrix lists the tests that need it.
 */
#ifndef SAFECLOSE_TESTS_LIBC_H
#define SAFECLOSE_TESTS_LIBC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <features.h>

#ifndef __GLIBC__
#define IS_OLDER
#elif !__GLIBC_PREREQ(2, 34)
#define IS_OLDER
#endif

#ifdef IS_OLDER
#include "ground/newer.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>
#endif

#ifndef __GLIBC__

#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>
#include <ucontext.h>

typedef int __rlimit_resource_t;

static inline int on_exit(void (*handler)(int, void *), void *argument)
{
    (void)handler;
    (void)argument;
    errno = ENOSYS;
    return -1;
}

/* musl declares but has none. */
#define getcontext(context) ((void)(context), errno = ENOSYS, -1)
#define makecontext(context, function, arguments) ((void)(context), (void)(function))
#define swapcontext(from, to) ((void)(from), (void)(to), errno = ENOSYS, -1)

#define fcntl64 fcntl

static inline ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset,
                               int flags)
{
    return syscall(SYS_pwritev2, fd, vectors, count, (long)offset, (long)(offset >> 63), flags);
}

static inline int fcloseall(void)
{
    return fflush(NULL);
}

#endif

#ifdef IS_OLDER

/* New in glibc 2.34 and musl 1.2.2. The library has one, which a program finds by this name. */
pid_t _Fork(void) __attribute__((weak));
static inline pid_t fork_without_handlers(void)
{
    return _Fork ? _Fork() : fork();
}
#define _Fork fork_without_handlers

static inline int close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

static inline void closefrom(int low)
{
    close_range(low < 0 ? 0 : (unsigned)low, UINT_MAX, 0);
}

/* The names of those errors that a test may meet. */
static inline const char *strerrorname_np(int error)
{
#define NAME(constant)                                                                             \
    case constant:                                                                                 \
        return #constant;
    switch (error) {
        NAME(E2BIG)
        NAME(EACCES)
        NAME(EADDRINUSE)
        NAME(EAGAIN)
        NAME(EBADF)
        NAME(ECHILD)
        NAME(ECONNABORTED)
        NAME(ECONNREFUSED)
        NAME(ECONNRESET)
        NAME(EDESTADDRREQ)
        NAME(EEXIST)
        NAME(EFAULT)
        NAME(EINPROGRESS)
        NAME(EINTR)
        NAME(EINVAL)
        NAME(EIO)
        NAME(EISCONN)
        NAME(EMFILE)
        NAME(ENOBUFS)
        NAME(ENOENT)
        NAME(ENOMEM)
        NAME(ENOSPC)
        NAME(ENOSYS)
        NAME(ENOTCONN)
        NAME(ENOTSOCK)
        NAME(EOPNOTSUPP)
        NAME(EPERM)
        NAME(EPIPE)
        NAME(ESRCH)
        NAME(ETIMEDOUT)
        NAME(ETOOMANYREFS)
        NAME(EXFULL)
    default:
        return "another error";
    }
#undef NAME
}

#endif

#endif
