/* Many numbers at once. What it costs is a matter of the sockets among them, not of the range. */
#include "safeclose.h"

#include "doors/closing.h"
#include "doors/doors.h"
#include "doors/giveup.h"
#include "ground/boundary.h"
#include "ground/real.h"

#include <linux/close_range.h>

enum giveup range_begin(unsigned first, unsigned last, int flags, enum via via,
                        const void *call_site)
{
    const int known = CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC;

    if (first > last || flags & ~known || !boundary_enter())
        return GIVEUP_NOTHING;
    /* With other threads, it is a copy of the table that loses these numbers. */
    if (flags & CLOSE_RANGE_UNSHARE && !real_single_threaded())
        return giveup_begin(GIVEUP_LEAVING);
    if (!(flags & CLOSE_RANGE_CLOEXEC))
        closing_range(first, last, via, call_site);
    return GIVEUP_NOTHING;
}

long range_end(enum giveup gave_up, unsigned first, unsigned last, int flags, long ret)
{
    closing_done(first, last, ret == 0 && !(flags & CLOSE_RANGE_CLOEXEC));
    return giveup_end(gave_up, ret);
}
