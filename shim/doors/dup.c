/*
 * dup2 and dup3 close what their target stood for; and with their kin they give a connection a
 * second number.
 */
#include "safeclose.h"

#include "doors/closing.h"
#include "doors/doors.h"
#include "doors/track.h"
#include "ground/boundary.h"
#include "ground/sys.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "remedy/linger.h"

#include <sys/resource.h>

uint64_t dup_begin(void)
{
    return family_forked();
}

static bool below_limit(int fd)
{
    struct rlimit limit;

    return sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, SYS_ARG(&limit)) == 0 &&
           (rlim_t)fd < limit.rlim_cur;
}

/* Whether the call will succeed, and close its target: the flags are known, and both numbers are valid and differ. A
 * target above a limit that was lowered may be open, and is still refused. */
uint64_t dup_onto_begin(int fd, int target, int flags, enum via via, const void *call_site)
{
    uint64_t forked = dup_begin();

    if (boundary_enter() && (flags & ~O_CLOEXEC) == 0 && fd != target && closing_concerns(target) &&
        sys2(SYS_fcntl, fd, F_GETFD) >= 0 && below_limit(target))
        closing(target, via, call_site);
    return forked;
}

long dup_onto_end(uint64_t forked, int fd, int target, long copy)
{
    closing_done((unsigned)target, (unsigned)target, copy >= 0 && copy != fd);
    return dup_end(forked, fd, copy);
}

long dup_end(uint64_t forked, int fd, long copy)
{
    if (copy < 0)
        return copy;
    if (boundary_vfork_child())
        holders_lose(fd); /* the copy is likely to survive an exec, out of our sight */
    else if (fd != copy && boundary_enter() && !track_new((int)copy, holders_dup(fd, forked)))
        holders_lose(fd); /* no close of fd would find the copy */
    return copy;
}

long dup_fcntl_end(uint64_t forked, int fd, int command, long ret)
{
    if (command == F_SETOWN || command == F_SETOWN_EX)
        linger_note_owner();
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? dup_end(forked, fd, ret) : ret;
}
