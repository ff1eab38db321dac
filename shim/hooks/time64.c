/*
 * The names by which programs of 32 bits that are compiled with _TIME_BITS=64 call functions whose structures hold a
 * time (glibc 2.34). The rules are those of the functions without.
 */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "ground/real.h"

#ifdef LIBC_TIME64

int __fcntl_time64(int fd, int command, void *argument);
int __ioctl_time64(int fd, unsigned long request, void *argument);
int __prctl_time64(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __setsockopt64(int fd, int level, int name, const void *value, socklen_t len);
ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags);
int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags);
ssize_t __recvmsg64(int fd, struct msghdr *message, int flags);
int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout);

EXPORT int __fcntl_time64(int fd, int command, void *argument)
{
    uint64_t forked = dup_begin();

    return (int)dup_fcntl_end(forked, fd, command, real___fcntl_time64(fd, command, argument));
}

EXPORT int __ioctl_time64(int fd, unsigned long request, void *argument)
{
    message_ioctl_begin(request, argument);
    return real___ioctl_time64(fd, request, argument);
}

EXPORT int __prctl_time64(int option, unsigned long a, unsigned long b, unsigned long c,
                          unsigned long d)
{
    enum standdown reason = sandbox_prctl_begin(option, a, (const void *)b);

    return (int)standdown_end(reason, real___prctl_time64(option, a, b, c, d));
}

EXPORT int __setsockopt64(int fd, int level, int name, const void *value, socklen_t len)
{
    socket_option_begin(fd, level, name);
    return real___setsockopt64(fd, level, name, value, len);
}

EXPORT ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags)
{
    message_send_begin(message, 0);
    return message_sent(message, real___sendmsg64(fd, message, flags));
}

EXPORT int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    message_many(message_send_begin, messages, count);
    return (int)message_many(message_sent, messages, real___sendmmsg64(fd, messages, count, flags));
}

EXPORT ssize_t __recvmsg64(int fd, struct msghdr *message, int flags)
{
    return message_received(message, real___recvmsg64(fd, message, flags));
}

EXPORT int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, void *timeout)
{
    return (int)message_many(message_received, messages,
                             real___recvmmsg64(fd, messages, count, flags, timeout));
}

#endif
