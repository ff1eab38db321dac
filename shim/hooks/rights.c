/*
 * What changes a process's rights. libc carries these to all threads that it knows, and the lot's
 * is none of them: it is ended first, so that no thread is left with rights that the program has
 * dropped.
 */
#include "../safeclose.h"

#include "../linger.h"
#include "../real.h"

#include <grp.h>

/* What libc's call has left in errno stays. */
static int after(bool stopped, int ret)
{
    linger_resume(stopped);
    return ret;
}

EXPORT int setuid(uid_t uid)
{
    bool stopped = linger_stop();

    return after(stopped, real_setuid(uid));
}

EXPORT int setgid(gid_t gid)
{
    bool stopped = linger_stop();

    return after(stopped, real_setgid(gid));
}

EXPORT int seteuid(uid_t effective)
{
    bool stopped = linger_stop();

    return after(stopped, real_seteuid(effective));
}

EXPORT int setegid(gid_t effective)
{
    bool stopped = linger_stop();

    return after(stopped, real_setegid(effective));
}

EXPORT int setreuid(uid_t real, uid_t effective)
{
    bool stopped = linger_stop();

    return after(stopped, real_setreuid(real, effective));
}

EXPORT int setregid(gid_t real, gid_t effective)
{
    bool stopped = linger_stop();

    return after(stopped, real_setregid(real, effective));
}

EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    bool stopped = linger_stop();

    return after(stopped, real_setresuid(real, effective, saved));
}

EXPORT int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    bool stopped = linger_stop();

    return after(stopped, real_setresgid(real, effective, saved));
}

EXPORT int setgroups(size_t count, const gid_t *groups)
{
    bool stopped = linger_stop();

    return after(stopped, real_setgroups(count, groups));
}

EXPORT int initgroups(const char *user, gid_t group)
{
    bool stopped = linger_stop();

    return after(stopped, real_initgroups(user, group));
}

/* Declared by libcap alone. */
int capset(void *header, const void *data);

EXPORT int capset(void *header, const void *data)
{
    bool stopped = linger_stop();

    return after(stopped, real_capset(header, data));
}
