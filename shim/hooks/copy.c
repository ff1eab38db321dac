/* How a descriptor comes to have a second holder in plain sight. These hooks only watch. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../real.h"
#include "../track.h"

EXPORT int dup(int fd)
{
    int copy = real_dup(fd);

    if (copy >= 0 && boundary_enter())
        track_copied(fd, copy);
    return copy;
}

EXPORT int dup2(int fd, int target)
{
    int ret = real_dup2(fd, target);

    if (ret >= 0 && boundary_enter())
        track_copied(fd, target);
    return ret;
}

EXPORT int dup3(int fd, int target, int flags)
{
    int ret = real_dup3(fd, target, flags);

    if (ret >= 0 && boundary_enter())
        track_copied(fd, target);
    return ret;
}

static void after_fcntl(int fd, int command, int ret)
{
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && ret >= 0 && boundary_enter())
        track_copied(fd, ret);
}

/* The third argument, where a command has one, is an int or a pointer; a pointer's width carries
 * both. */
EXPORT int fcntl(int fd, int command, ...)
{
    va_list args;
    void *argument;
    int ret;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    ret = real_fcntl(fd, command, argument);
    after_fcntl(fd, command, ret);
    return ret;
}

EXPORT int fcntl64(int fd, int command, ...)
{
    va_list args;
    void *argument;
    int ret;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    ret = real_fcntl64(fd, command, argument);
    after_fcntl(fd, command, ret);
    return ret;
}

/* The message is the program's memory, and looked at only when the kernel has found it readable. */
EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t ret = real_sendmsg(fd, message, flags);

    if (ret >= 0 && message->msg_controllen && boundary_enter())
        track_sent(message);
    return ret;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int ret = real_sendmmsg(fd, messages, count, flags);

    for (int i = 0; i < ret; i++)
        if (messages[i].msg_hdr.msg_controllen && boundary_enter())
            track_sent(&messages[i].msg_hdr);
    return ret;
}
