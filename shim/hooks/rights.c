/* What changes a process's rights (doors/alone.c). */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"
#include "ground/real_late.h"
#include "ground/sys.h"

#include <grp.h>

EXPORT int setuid(uid_t uid)
{
    struct linger_change change = rights_begin(SYS_setuid, uid, 0, 0);

    return (int)rights_end(change, real_setuid(uid));
}

EXPORT int setgid(gid_t gid)
{
    struct linger_change change = rights_begin(SYS_setgid, gid, 0, 0);

    return (int)rights_end(change, real_setgid(gid));
}

EXPORT int seteuid(uid_t effective)
{
    struct linger_change change = rights_begin(SYS_setresuid, -1, effective, -1);

    return (int)rights_end(change, real_seteuid(effective));
}

EXPORT int setegid(gid_t effective)
{
    struct linger_change change = rights_begin(SYS_setresgid, -1, effective, -1);

    return (int)rights_end(change, real_setegid(effective));
}

EXPORT int setreuid(uid_t real, uid_t effective)
{
    struct linger_change change = rights_begin(SYS_setreuid, real, effective, 0);

    return (int)rights_end(change, real_setreuid(real, effective));
}

EXPORT int setregid(gid_t real, gid_t effective)
{
    struct linger_change change = rights_begin(SYS_setregid, real, effective, 0);

    return (int)rights_end(change, real_setregid(real, effective));
}

EXPORT int setresuid(uid_t real, uid_t effective, uid_t saved)
{
    struct linger_change change = rights_begin(SYS_setresuid, real, effective, saved);

    return (int)rights_end(change, real_setresuid(real, effective, saved));
}

EXPORT int setresgid(gid_t real, gid_t effective, gid_t saved)
{
    struct linger_change change = rights_begin(SYS_setresgid, real, effective, saved);

    return (int)rights_end(change, real_setresgid(real, effective, saved));
}

EXPORT int setgroups(size_t count, const gid_t *groups)
{
    struct linger_change change = rights_begin(SYS_setgroups, (long)count, SYS_ARG(groups), 0);

    return (int)rights_end(change, real_setgroups(count, groups));
}

/* Which groups, libc finds out within. */
EXPORT int initgroups(const char *user, gid_t group)
{
    struct linger_change change = rights_begin(0, 0, 0, 0);

    return (int)rights_end(change, real_initgroups(user, group));
}

/* Declared by libcap alone. */
int capset(void *header, const void *data);

EXPORT int capset(void *header, const void *data)
{
    struct linger_change change = rights_begin(0, 0, 0, 0);

    return (int)rights_end(change, real_capset(header, data));
}

/* Of libselinux and libapparmor. They write to a file of the calling thread's; some labels are refused to a
 * process of several threads. */
int setcon(const char *context);
int setcon_raw(const char *context);
int aa_change_profile(const char *profile);
int aa_change_hat(const char *hat, unsigned long token);

static int relabel(int (*real)(const char *, unsigned long), const char *label, unsigned long token)
{
    struct linger_change change = rights_begin(0, 0, 0, 0);

    return (int)rights_end(change, real(label, token));
}

EXPORT int setcon(const char *context)
{
    return relabel(real_setcon, context, 0);
}

EXPORT int setcon_raw(const char *context)
{
    return relabel(real_setcon_raw, context, 0);
}

EXPORT int aa_change_profile(const char *profile)
{
    return relabel(real_aa_change_profile, profile, 0);
}

EXPORT int aa_change_hat(const char *hat, unsigned long token)
{
    return relabel(real_aa_change_hat, hat, token);
}
