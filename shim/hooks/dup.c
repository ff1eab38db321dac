/*
 * dup2 and dup3 close what their target stood for; and with their kin they give a connection a
 * second number.
 */
#include "../safeclose.h"

#include "../boundary.h"
#include "../closing.h"
#include "../real.h"
#include "../sys.h"
#include "../track.h"

#include <sys/resource.h>

static bool below_limit(int fd)
{
    struct rlimit limit;

    return sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, SYS_ARG(&limit)) == 0 &&
           (rlim_t)fd < limit.rlim_cur;
}

/* Only where the call will succeed is the target closed: both numbers valid, and not the same. A
 * target above a limit that was lowered is open, and still refused. */
static void closing_target(int fd, int target, enum via via, const void *call_site)
{
    if (boundary_enter() && fd != target && closing_concerns(target) &&
        sys2(SYS_fcntl, fd, F_GETFD) >= 0 && below_limit(target))
        closing(target, via, call_site);
}

EXPORT int dup(int fd)
{
    uint32_t epoch = boundary_epoch();
    int copy = real_dup(fd);

    if (copy >= 0)
        track_copied(fd, copy, epoch);
    return copy;
}

EXPORT int dup2(int fd, int target)
{
    uint32_t epoch = boundary_epoch();
    int ret;

    closing_target(fd, target, VIA_DUP2, __builtin_return_address(0));
    ret = real_dup2(fd, target);
    closing_done();
    if (ret >= 0)
        track_copied(fd, target, epoch);
    return ret;
}

EXPORT int dup3(int fd, int target, int flags)
{
    uint32_t epoch = boundary_epoch();
    int ret;

    if ((flags & ~O_CLOEXEC) == 0)
        closing_target(fd, target, VIA_DUP3, __builtin_return_address(0));
    ret = real_dup3(fd, target, flags);
    closing_done();
    if (ret >= 0)
        track_copied(fd, target, epoch);
    return ret;
}

static int after_fcntl(int fd, int command, int ret, uint32_t epoch)
{
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && ret >= 0)
        track_copied(fd, ret, epoch);
    return ret;
}

/* The third argument, where a command has one, is an int or a pointer; a pointer's width carries
 * both. */
EXPORT int fcntl(int fd, int command, ...)
{
    uint32_t epoch = boundary_epoch();
    va_list args;
    void *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    return after_fcntl(fd, command, real_fcntl(fd, command, argument), epoch);
}

EXPORT int fcntl64(int fd, int command, ...)
{
    uint32_t epoch = boundary_epoch();
    va_list args;
    void *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    return after_fcntl(fd, command, real_fcntl64(fd, command, argument), epoch);
}

/* glibc has these names too. */
ALIAS(dup2) int __dup2(int fd, int target);
ALIAS(fcntl) int __fcntl(int fd, int command, ...);
