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
#include "holders/holders.h"
#include "remedy/linger.h"

#include <sys/resource.h>

uint32_t dup_begin(void)
{
    return holders_forks();
}

static bool below_limit(int fd)
{
    struct rlimit limit;

    return sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, SYS_ARG(&limit)) == 0 &&
           (rlim_t)fd < limit.rlim_cur;
}

/* Whether the call will succeed, and close its target: the flags are known, and both numbers are valid and differ. A
 * target above a limit that was lowered may be open, and is still refused. */
uint32_t dup_onto_begin(int fd, int target, int flags, enum via via, const void *call_site)
{
    uint32_t forks = dup_begin();

    if (boundary_enter() && (flags & ~O_CLOEXEC) == 0 && fd != target && closing_concerns(target) &&
        sys2(SYS_fcntl, fd, F_GETFD) >= 0 && below_limit(target))
        closing(target, via, call_site);
    return forks;
}

long dup_onto_end(uint32_t forks, int fd, int target, long copy)
{
    closing_done((unsigned)target, (unsigned)target, copy >= 0 && copy != fd);
    return dup_end(forks, fd, copy);
}

long dup_end(uint32_t forks, int fd, long copy)
{
    if (copy < 0)
        return copy;
    if (boundary_vfork_child())
        holders_lose(fd); /* the copy is likely to survive an exec, out of our sight */
    else if (fd != copy && boundary_enter() && !track_new((int)copy, holders_dup(fd, forks)))
        holders_lose(fd); /* no close of fd would find the copy */
    return copy;
}

long dup_fcntl_end(uint32_t forks, int fd, int command, long ret)
{
    if (command == F_SETOWN || command == F_SETOWN_EX)
        linger_note_owner();
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? dup_end(forks, fd, ret) : ret;
}
