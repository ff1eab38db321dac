/* Descriptors that travel in messages, or are handed to the kernel. These hooks only watch. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

#include <sys/ioctl.h>

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    message_send_begin(message, 0);
    return message_sent(message, real_sendmsg(fd, message, flags));
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, libc_message_flags flags)
{
    message_many(message_send_begin, messages, count);
    return (int)message_many(message_sent, messages, real_sendmmsg(fd, messages, count, flags));
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return message_received(message, real_recvmsg(fd, message, flags));
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, libc_message_flags flags,
                    struct timespec *timeout)
{
    return (int)message_many(message_received, messages,
                             real_recvmmsg(fd, messages, count, flags, timeout));
}

/* The third argument is a number or a pointer, as fcntl's is. */
EXPORT int ioctl(int fd, libc_ioctl_request request, ...)
{
    va_list args;
    void *argument;

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    message_ioctl_begin((unsigned)request, argument);
    return real_ioctl(fd, (unsigned)request, argument);
}

/* Declared since glibc 2.36 only. */
EXPORT int pidfd_getfd(int pidfd, int target, unsigned flags);
EXPORT int pidfd_getfd(int pidfd, int target, unsigned flags)
{
    return (int)message_pidfd_taken(real_pidfd_getfd(pidfd, target, flags));
}
