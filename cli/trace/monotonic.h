/* The clock of the kernel's events. */
#ifndef SAFECLOSE_MONOTONIC_H
#define SAFECLOSE_MONOTONIC_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, ns. */
static inline int64_t monotonic_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The same moment by the clock on the wall, ns since 1970. */
static inline int64_t monotonic_to_day(int64_t moment)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return moment - monotonic_now() + t.tv_sec * 1000000000LL + t.tv_nsec;
}

#endif
