/* Many numbers at once. The cost depends on the sockets among them, not on the size of the range. */
#include "safeclose.h"

#include "doors/closing.h"
#include "doors/doors.h"
#include "doors/standdown.h"
#include "ground/boundary.h"
#include "ground/newer.h"
#include "ground/real.h"

enum standdown range_begin(unsigned first, unsigned last, int flags, enum via via,
                           const void *call_site)
{
    const int known = CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC;

    if (first > last || flags & ~known || !boundary_enter())
        return STANDDOWN_NONE;
    /* In a process with other threads CLOSE_RANGE_UNSHARE closes the numbers in a copy of the table. */
    if (flags & CLOSE_RANGE_UNSHARE && !real_single_threaded())
        return standdown_begin(STANDDOWN_LEAVING);
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        closing_range(first, last, via, call_site);
    return STANDDOWN_NONE;
}

long range_end(enum standdown reason, unsigned first, unsigned last, int flags, long ret)
{
    closing_done(first, last, ret == 0 && !(flags & CLOSE_RANGE_CLOEXEC));
    return standdown_end(reason, ret);
}
