/* What changes a process's rights (doors/alone.c). */
#include "safeclose.h"

#include "doors/doors.h"
#include "real.h"

#include <grp.h>

EXPORT int setuid(uid_t uid)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setuid(uid));
}

EXPORT int setgid(gid_t gid)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setgid(gid));
}

EXPORT int seteuid(uid_t effective)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_seteuid(effective));
}

EXPORT int setegid(gid_t effective)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setegid(effective));
}

EXPORT int setreuid(uid_t real, uid_t effective)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setreuid(real, effective));
}

EXPORT int setregid(gid_t real, gid_t effective)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setregid(real, effective));
}

EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setresuid(real, effective, saved));
}

EXPORT int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setresgid(real, effective, saved));
}

EXPORT int setgroups(size_t count, const gid_t *groups)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_setgroups(count, groups));
}

EXPORT int initgroups(const char *user, gid_t group)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_initgroups(user, group));
}

/* Declared by libcap alone. */
int capset(void *header, const void *data);

EXPORT int capset(void *header, const void *data)
{
    bool stopped = rights_begin();

    return (int)rights_end(stopped, real_capset(header, data));
}
