#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "ground/real.h"

EXPORT int dup(int fd)
{
    uint64_t forked = dup_begin();

    return (int)dup_end(forked, fd, real_dup(fd));
}

EXPORT int dup2(int fd, int target)
{
    uint64_t forked = dup_onto_begin(fd, target, 0, VIA_DUP2, CALLER);

    return (int)dup_onto_end(forked, fd, target, real_dup2(fd, target));
}

EXPORT int dup3(int fd, int target, int flags)
{
    uint64_t forked = dup_onto_begin(fd, target, flags, VIA_DUP3, CALLER);

    return (int)dup_onto_end(forked, fd, target, real_dup3(fd, target, flags));
}

/* The third argument, where a command has one, is an int or a pointer; a pointer's width carries
 * both. */
EXPORT int fcntl(int fd, int command, ...)
{
    uint64_t forked = dup_begin();
    va_list args;
    void *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    return (int)dup_fcntl_end(forked, fd, command, real_fcntl(fd, command, argument));
}

#ifdef __LP64__ /* the same, as libc has it */
ALIAS(fcntl) int fcntl64(int fd, int command, ...);
#else
EXPORT int fcntl64(int fd, int command, ...)
{
    uint64_t forked = dup_begin();
    va_list args;
    void *argument;

    va_start(args, command);
    argument = va_arg(args, void *);
    va_end(args);
    return (int)dup_fcntl_end(forked, fd, command, real_fcntl64(fd, command, argument));
}
#endif

/* glibc has these names too. */
ALIAS(dup2) int __dup2(int fd, int target);
ALIAS(fcntl) int __fcntl(int fd, int command, ...);
