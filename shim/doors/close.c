#include "safeclose.h"

#include "doors/closing.h"
#include "doors/doors.h"
#include "ground/boundary.h"
#include "remedy/linger.h"
#include "report/sink.h"
#include "tcp/diag.h"

bool close_begin(int fd, enum via via, const void *call_site)
{
    if (!boundary_enter()) {
        if (boundary_early())
            closing_early(fd);
        return true;
    }
    /* The program may close every number in a loop: ours must look like one that is not open. */
    if (sink_owns(fd) || linger_owns(fd) || diag_owns(fd)) {
        errno = EBADF;
        return false;
    }
    closing(fd, via, call_site);
    return true;
}

long close_end(int fd, long ret)
{
    closing_done((unsigned)fd, (unsigned)fd, ret == 0 || errno != EBADF);
    return ret;
}
