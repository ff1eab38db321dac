/* Does starting this file raise privileges, for the user who asks? */
#include "common/say.h"
#include "check/executable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Why the kernel ignores such bits; NULL if it doesn't. */
static const char *ignored(int fd)
{
    struct statvfs fs;

    if (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID))
        return "its file system is mounted nosuid";
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return "no_new_privs is set here";
    return NULL;
}

static void judge_bit(struct findings *f, const char *bit, const char *whose, unsigned owner,
                      unsigned own, const char *why_ignored)
{
    if (why_ignored)
        findings_add(f, FOR, "it is %s, but that has no effect: %s", bit, why_ignored);
    else if (owner == own)
        findings_add(f, FOR, "it is %s, but you are that %s already (%u)", bit, whose, own);
    else {
        findings_add(f, AGAINST, "it is %s (to %s %u): the loader ignores LD_PRELOAD", bit, whose,
                     owner);
        findings_add(f, DO, "use safeclose run as %s %u: then LD_PRELOAD works", whose, owner);
    }
}

static void judge_capabilities(struct findings *f, int fd, const char *why_ignored)
{
    ssize_t n = fgetxattr(fd, "security.capability", NULL, 0);

    if (n <= 0)
        return;
    if (why_ignored)
        findings_add(f, FOR, "it has file capabilities, but they have no effect: %s", why_ignored);
    else if (getuid() == 0)
        findings_add(f, FOR, "it has file capabilities, but you are root and have them already");
    else {
        findings_add(f, AGAINST, "it has file capabilities: the loader ignores LD_PRELOAD");
        findings_add(f, DO,
                     "use safeclose run as root, or remove them from a copy: setcap -r COPY");
    }
}

void executable_judge_privileges(struct findings *f, int fd)
{
    const char *why_ignored = ignored(fd);
    struct stat st;

    if (fstat(fd, &st) != 0)
        return;
    if (st.st_mode & S_ISUID)
        judge_bit(f, "setuid", "user", st.st_uid, getuid(), why_ignored);
    /* Without the group's x the bit once meant mandatory locking, and raises nothing. */
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP))
        judge_bit(f, "setgid", "group", st.st_gid, getgid(), why_ignored);
    judge_capabilities(f, fd, why_ignored);
    if (getuid() != geteuid() || getgid() != getegid())
        findings_add(f, AGAINST,
                     "this command runs with an effective user or group that is not its real "
                     "one: the loader ignores LD_PRELOAD");
}
