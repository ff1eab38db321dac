/* Descriptors that are given up by number. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

EXPORT int close(int fd)
{
    return close_begin(fd, VIA_CLOSE, CALLER) ? (int)close_end(fd, real_close(fd)) : -1;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    enum standdown reason = range_begin(first, last, flags, VIA_CLOSE_RANGE, CALLER);

    return (int)range_end(reason, first, last, flags, real_close_range(first, last, flags));
}

EXPORT void closefrom(int low)
{
    unsigned first = low < 0 ? 0 : (unsigned)low;

    range_begin(first, INT_MAX, 0, VIA_CLOSEFROM, CALLER);
    real_closefrom(low);
    range_end(STANDDOWN_NONE, first, INT_MAX, 0, 0);
}

/* glibc has these names too. */
ALIAS(close) int __close(int fd);
