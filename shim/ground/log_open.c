#include "safeclose.h"

#include "ground/error.h"
#include "ground/log_open.h"
#include "ground/sys.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#define MAX_LINKS 40 /* as many as the kernel follows */
#define FILE_MODE 0600
#define FILE_FLAGS (O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define LOOK_FLAGS (O_PATH | O_NOFOLLOW | O_CLOEXEC)
#define DIRECTORY_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* What a step comes to besides a descriptor or -errno. */
enum {
    GO_ON = -10000,
    REFUSED, /* the reason is in why */
};

struct walk {
    char *room; /* the caller's */
    char *rest; /* what is left of the path; ends at the end of room */
    long dir;   /* where it begins */
    int links;  /* followed so far */
    uid_t us;
    bool reads; /* the file; else it is for lines */
    struct text *why;
};

static long open_in(const struct walk *w, const char *name, int flags)
{
    return sys4(SYS_openat, w->dir, SYS_ARG(name), flags, FILE_MODE);
}

static long look(long fd, struct stat *st)
{
    return sys2(SYS_fstat, fd, SYS_ARG(st));
}

static bool is_ours(const struct walk *w, uid_t owner)
{
    return owner == 0 || owner == w->us;
}

/* ---- The file ---------------------------------------------------------------------------------- */

/* A device that another user owns is his terminal, or root's in a user namespace, where root shows
 * as nobody: only root can make one. */
static bool judge_file(const struct walk *w, const struct stat *st)
{
    if (S_ISCHR(st->st_mode) && !w->reads)
        return true;
    if (!S_ISREG(st->st_mode) && w->reads)
        text_put(w->why, "it is not a regular file");
    else if (!S_ISREG(st->st_mode) && !S_ISFIFO(st->st_mode))
        text_put(w->why, "it is not a regular file, a pipe or a character device");
    else if (!is_ours(w, st->st_uid))
        text_put(w->why, "it belongs to another user (uid %u)", st->st_uid);
    else if (st->st_nlink > 1)
        text_put(w->why, "it has other names (hard links)");
    else if (w->reads && st->st_mode & (st->st_uid ? S_IWGRP | S_IWOTH : S_IWOTH))
        text_put(w->why, "users other than its owner may write to it");
    else
        return true;
    return false;
}

/* fd, or what is wrong with it. */
static long judged(const struct walk *w, long fd)
{
    struct stat st;
    long err = look(fd, &st);

    if (err == 0 && judge_file(w, &st))
        return fd;
    sys1(SYS_close, fd);
    return err ? err : REFUSED;
}

/* A fifo that nobody reads can't be opened for writing alone without waiting; for both it can. */
static long open_file(const struct walk *w, const char *name, int flags)
{
    long fd;

    if (w->reads)
        return open_in(w, name, READ_FLAGS | (flags & O_NOFOLLOW));
    fd = open_in(w, name, FILE_FLAGS | flags | O_WRONLY);
    return fd == -ENXIO ? open_in(w, name, FILE_FLAGS | flags | O_RDWR) : fd;
}

/* ---- Symbolic links ---------------------------------------------------------------------------- */

/* In a sticky directory only its owner and the link's may take the link away or exchange it. A
 * group that may write is others; what an access control list allows shows in the group's bits. */
static bool others_could_make(const struct walk *w, const struct stat *link)
{
    struct stat dir;

    if (look(w->dir, &dir) < 0 || !is_ours(w, dir.st_uid))
        return true;
    if (!is_ours(w, link->st_uid) || link->st_nlink > 1)
        return true;
    return (dir.st_mode & (S_IWGRP | S_IWOTH)) && !(dir.st_mode & S_ISVTX);
}

static long open_root(void)
{
    return sys4(SYS_openat, AT_FDCWD, SYS_ARG("/"), DIRECTORY_FLAGS, 0);
}

static long stand_in(struct walk *w, long dir)
{
    if (dir < 0)
        return dir;
    sys1(SYS_close, w->dir);
    w->dir = dir;
    return GO_ON;
}

/* Puts the link's target in front of what is left of the path. */
static long follow_text(struct walk *w, long fd, bool is_last)
{
    char *end = is_last ? w->rest : w->rest - 1;
    long len = sys4(SYS_readlinkat, fd, SYS_ARG(""), SYS_ARG(w->room), end - w->room);

    if (len < 0)
        return len;
    if (len >= end - w->room)
        return -ENAMETOOLONG;
    if (!is_last)
        *end = '/';
    w->rest = end - len;
    memmove(w->rest, w->room, (size_t)len);
    return w->rest[0] == '/' ? stand_in(w, open_root()) : GO_ON;
}

static bool is_of_procfs(long dir)
{
    struct statfs fs;

#ifdef SYS_fstatfs
    long err = sys2(SYS_fstatfs, dir, SYS_ARG(&fs));
#else
    long err = sys3(SYS_fstatfs64, dir, sizeof(fs), SYS_ARG(&fs));
#endif

    return err == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/*
 * A link of procfs is the kernel's own, and leads to a file that its text need not name, such as an
 * open pipe. A descriptor of our own user's (/dev/stderr) may stand for another user's file, which
 * whoever started the program has opened for it. Not for one that was opened for reading only: they
 * may have had no right to write to it.
 */
static long follow_kernels(struct walk *w, const char *name, const struct stat *link, bool is_last)
{
    long fd;

    if (!is_last)
        return stand_in(w, open_in(w, name, DIRECTORY_FLAGS));
    if (!(link->st_mode & S_IWUSR) && !w->reads) {
        text_put(w->why, "it is a descriptor that is open for reading only");
        return REFUSED;
    }
    fd = open_file(w, name, 0);
    return fd < 0 || (is_ours(w, link->st_uid) && !w->reads) ? fd : judged(w, fd);
}

static long follow_link(struct walk *w, const char *name, long fd, const struct stat *link,
                        bool is_last)
{
    if (++w->links > MAX_LINKS)
        return -ELOOP;
    if (is_of_procfs(w->dir))
        return follow_kernels(w, name, link, is_last);
    if (!others_could_make(w, link))
        return follow_text(w, fd, is_last);
    text_put(w->why, "its component \"");
    text_plain(w->why, name, strnlen(name, 100));
    text_put(w->why, "\" is a symbolic link that another user may have made");
    return REFUSED;
}

/* What can't be opened is no link. The kernel may refuse another user's file itself
 * (fs.protected_regular), for which "Permission denied" would be no good reason. What was a link a
 * moment ago may be a file by now. */
static long no_link(struct walk *w, char *name, const struct stat *st, long err)
{
    if (err == -ENOTDIR)
        return err;
    if (!judge_file(w, st))
        return REFUSED;
    if (err == -EACCES || ++w->links > MAX_LINKS)
        return err;
    w->rest = name;
    return GO_ON;
}

/* A component that can't be opened, with this error: because it is a link? */
static long follow(struct walk *w, char *name, bool is_last, long err)
{
    struct stat st;
    long fd = open_in(w, name, LOOK_FLAGS);
    long result;

    if (fd < 0)
        return err;
    if (look(fd, &st) < 0)
        result = err;
    else if (S_ISLNK(st.st_mode))
        result = follow_link(w, name, fd, &st, is_last);
    else
        result = no_link(w, name, &st, err);
    sys1(SYS_close, fd);
    return result;
}

/* ---- The walk ---------------------------------------------------------------------------------- */

/* O_DIRECTORY also makes the kernel mount what is mounted on demand. */
static long enter(struct walk *w, char *name)
{
    long fd = open_in(w, name, DIRECTORY_FLAGS | O_NOFOLLOW);

    return fd == -ENOTDIR ? follow(w, name, false, fd) : stand_in(w, fd);
}

/* For a link the kernel says ELOOP, or, in a sticky directory, EACCES. */
static long open_last(struct walk *w, char *name)
{
    long fd;

    if (!*name)
        return -EISDIR;
    fd = open_file(w, name, O_CREAT | O_NOFOLLOW);
    if (fd == -ELOOP || fd == -EACCES)
        return follow(w, name, true, fd);
    return fd < 0 ? fd : judged(w, fd);
}

/* Takes a component off the path. The last one is empty where the path ends with a slash. */
static long step(struct walk *w)
{
    char *name = w->rest + strspn(w->rest, "/");
    char *end = name + strcspn(name, "/");
    bool is_last = !*end;

    *end = '\0';
    w->rest = is_last ? end : end + 1;
    return is_last ? open_last(w, name) : enter(w, name);
}

static long walk(const char *path, char *room, bool reads, struct text *why)
{
    size_t size = strlen(path) + 1;
    struct walk w = {.room = room,
                     .rest = room + LOG_OPEN_ROOM - size,
                     .dir = open_root(),
                     .us = (uid_t)sys1(SYS_geteuid, 0),
                     .reads = reads,
                     .why = why};
    long result = w.dir < 0 ? w.dir : GO_ON;

    memcpy(w.rest, path, size);
    while (result == GO_ON)
        result = step(&w);
    if (w.dir >= 0)
        sys1(SYS_close, w.dir);
    if (result < 0 && result != REFUSED)
        text_put(why, "%s", error_text(-result));
    return result;
}

int log_open(const char *path, char *room, struct text *why)
{
    long fd = walk(path, room, false, why);

    return fd < 0 ? -1 : (int)fd;
}

long log_open_read(const char *path, char *room, struct text *why)
{
    return walk(path, room, true, why);
}
