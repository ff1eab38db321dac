/* setrlimit and prlimit, of which one resource concerns us (doors/limit.c). */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

#include <sys/resource.h>

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    limit_begin(0, (int)resource, limit);
    return (int)limit_end((int)resource, real_setrlimit((int)resource, limit));
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    limit_begin(0, (int)resource, limit);
    return (int)limit_end((int)resource, real_setrlimit((int)resource, limit));
}

EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *limit,
                   struct rlimit *old)
{
    limit_begin(pid, (int)resource, limit);
    return (int)limit_end((int)resource, real_prlimit(pid, (int)resource, limit, old));
}

EXPORT int prlimit64(pid_t pid, enum __rlimit_resource resource, const struct rlimit64 *limit,
                     struct rlimit64 *old)
{
    limit_begin(pid, (int)resource, limit);
    return (int)limit_end((int)resource, real_prlimit(pid, (int)resource, limit, old));
}
