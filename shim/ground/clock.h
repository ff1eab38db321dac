/* Clocks. */
#ifndef SAFECLOSE_CLOCK_H
#define SAFECLOSE_CLOCK_H

#include "ground/sys.h"

#include <time.h>

#define NS_PER_S 1000000000LL

/* The time of this clock in nanoseconds; 0 if the kernel refuses to tell. One call, from anywhere. */
static inline int64_t clock_ns(int clock)
{
    struct timespec now = {0, 0};

    sys2(SYS_clock_gettime, clock, SYS_ARG(&now));
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

#endif
