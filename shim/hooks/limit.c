/* setrlimit and prlimit, of which one resource concerns us (doors/limit.c). */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

#ifdef __LP64__
#define real_setrlimit64 real_setrlimit
#define real_prlimit64 real_prlimit
#endif
/* A limit is two words; where a long has 32 bits, those of the names without 64 have as many. */
#define WORD(limit) sizeof((limit)->rlim_cur)

EXPORT int setrlimit(libc_setrlimit_resource resource, const struct rlimit *limit)
{
    limit_begin(0, (int)resource, limit, WORD(limit));
    return (int)limit_end((int)resource, real_setrlimit((int)resource, limit));
}

EXPORT int setrlimit64(libc_setrlimit_resource resource, const struct rlimit64 *limit)
{
    limit_begin(0, (int)resource, limit, WORD(limit));
    return (int)limit_end((int)resource, real_setrlimit64((int)resource, limit));
}

EXPORT int prlimit(pid_t pid, libc_prlimit_resource resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    limit_begin(pid, (int)resource, limit, WORD(limit));
    return (int)limit_end((int)resource, real_prlimit(pid, (int)resource, limit, old));
}

EXPORT int prlimit64(pid_t pid, libc_prlimit_resource resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    limit_begin(pid, (int)resource, limit, WORD(limit));
    return (int)limit_end((int)resource, real_prlimit64(pid, (int)resource, limit, old));
}
