/* setrlimit and prlimit, of which one resource concerns us (doors/limit.c). */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

#ifdef __LP64__
#define real_setrlimit64 real_setrlimit
#define real_prlimit64 real_prlimit
#define WIDE_LIMIT(limit) (limit)
#else
/* The limits of the names without 64 have half the width. */
#define WIDE_LIMIT(limit) widened(limit, &(struct rlimit64){0, 0})
static __attribute__((noinline)) const void *widened(const struct rlimit *limit,
                                                     struct rlimit64 *wide)
{
    if (!limit)
        return NULL;
    wide->rlim_cur = limit->rlim_cur == RLIM_INFINITY ? RLIM64_INFINITY : limit->rlim_cur;
    return wide;
}
#endif

EXPORT int setrlimit(libc_setrlimit_resource resource, const struct rlimit *limit)
{
    limit_begin(0, (int)resource, WIDE_LIMIT(limit));
    return (int)limit_end((int)resource, real_setrlimit((int)resource, limit));
}

EXPORT int setrlimit64(libc_setrlimit_resource resource, const struct rlimit64 *limit)
{
    limit_begin(0, (int)resource, limit);
    return (int)limit_end((int)resource, real_setrlimit64((int)resource, limit));
}

EXPORT int prlimit(pid_t pid, libc_prlimit_resource resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    limit_begin(pid, (int)resource, WIDE_LIMIT(limit));
    return (int)limit_end((int)resource, real_prlimit(pid, (int)resource, limit, old));
}

EXPORT int prlimit64(pid_t pid, libc_prlimit_resource resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    limit_begin(pid, (int)resource, limit);
    return (int)limit_end((int)resource, real_prlimit64(pid, (int)resource, limit, old));
}
