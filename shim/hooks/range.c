/* Many numbers at once. What it costs is a matter of the sockets among them, not of the range. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../closing.h"
#include "../giveup.h"
#include "../real.h"

#include <linux/close_range.h>

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    const int known = CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC;
    int ret;

    if (boundary_enter() && first <= last && (flags & ~known) == 0) {
        /* With other threads, it is a copy of the table that loses these numbers. */
        if (flags & CLOSE_RANGE_UNSHARE && !real_single_threaded())
            giveup_for_good(GIVEUP_UNSHARED);
        else if (!(flags & CLOSE_RANGE_CLOEXEC))
            closing_range(first, last, VIA_CLOSE_RANGE, __builtin_return_address(0));
    }
    ret = real_close_range(first, last, flags);
    closing_done();
    return ret;
}

EXPORT void closefrom(int low)
{
    if (boundary_enter())
        closing_range(low < 0 ? 0 : (unsigned)low, INT_MAX, VIA_CLOSEFROM,
                      __builtin_return_address(0));
    real_closefrom(low);
    closing_done();
}
