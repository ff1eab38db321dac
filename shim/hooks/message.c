/*
 * Descriptors that travel in messages. These hooks only watch. A message is the program's memory,
 * and looked at only when the kernel has just found it readable.
 */
#include "../safeclose.h"

#include "../boundary.h"
#include "../real.h"
#include "../track.h"

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t ret = real_sendmsg(fd, message, flags);

    if (ret >= 0 && message->msg_controllen && boundary_watches())
        track_sent(message);
    return ret;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int ret = real_sendmmsg(fd, messages, count, flags);

    for (int i = 0; i < ret; i++)
        if (messages[i].msg_hdr.msg_controllen && boundary_watches())
            track_sent(&messages[i].msg_hdr);
    return ret;
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t ret = real_recvmsg(fd, message, flags);

    if (ret >= 0 && message->msg_controllen && boundary_enter())
        track_received(message);
    return ret;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *timeout)
{
    int ret = real_recvmmsg(fd, messages, count, flags, timeout);

    for (int i = 0; i < ret; i++)
        if (messages[i].msg_hdr.msg_controllen && boundary_enter())
            track_received(&messages[i].msg_hdr);
    return ret;
}

/* Takes a descriptor of any process without a message. Declared since glibc 2.36 only. */
EXPORT int pidfd_getfd(int pidfd, int target, unsigned flags);
EXPORT int pidfd_getfd(int pidfd, int target, unsigned flags)
{
    int fd = real_pidfd_getfd(pidfd, target, flags);

    if (fd >= 0 && boundary_watches())
        track_grabbed(fd);
    return fd;
}
