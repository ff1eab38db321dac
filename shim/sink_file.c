#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "error.h"
#include "own_fd.h"
#include "sink_file.h"
#include "sys.h"

#define FLAGS (O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* In the program's descriptor table, and in those of the lots. */
static struct own_fd owns[1 + BOUNDARY_LOTS] = {[0 ... BOUNDARY_LOTS] = OWN_FD_NONE};
static struct identity root; /* constructor: a chroot shows as another one */
static char path[PATH_MAX];  /* config.log_path with the pid in place; by whoever holds opening */
static _Atomic int path_of;  /* the pid in it */
static _Atomic int opening;  /* the pid of a process in which a thread is opening the file */
static _Atomic bool torn;

static struct own_fd *own(void)
{
    return &owns[boundary_lot()];
}

static bool name_path(int pid)
{
    struct text t = text_over(path, sizeof(path) - 1);

    for (const char *p = config.log_path; *p; p++) {
        if (*p != '%')
            text_bytes(&t, p, 1);
        else if (*++p == 'p')
            text_put(&t, "%d", pid);
        else
            text_put(&t, "%%");
    }
    path[t.len] = '\0';
    atomic_store(&path_of, t.cut ? 0 : pid);
    return !t.cut;
}

static struct identity identity_at(const char *name)
{
    return quiet_identity_at(AT_FDCWD, name, 0);
}

/* A directory such as /tmp, where anybody may have put the symlink that we are about to follow. */
static bool in_sticky_directory(void)
{
    char *slash = strrchr(path, '/');
    struct identity dir;

    if (slash == path)
        return identity_at("/").mode & S_ISVTX;
    *slash = '\0';
    dir = identity_at(path);
    *slash = '/';
    return dir.mode & S_ISVTX;
}

static long open_as(int access)
{
    long fd = sys4(SYS_openat, AT_FDCWD, SYS_ARG(path), FLAGS | O_NOFOLLOW | access, 0600);

    if (fd == -ELOOP && !in_sticky_directory())
        fd = sys4(SYS_openat, AT_FDCWD, SYS_ARG(path), FLAGS | access, 0600);
    return fd;
}

/* A fifo that nobody reads can't be opened for writing alone without waiting; for both it can. */
static long open_path(void)
{
    long fd = open_as(O_WRONLY);

    return fd == -ENXIO ? open_as(O_RDWR) : fd;
}

bool sink_file_start(void)
{
    long fd = -ENAMETOOLONG;

    root = identity_at("/");
    if (name_path(sys_getpid()))
        fd = open_path();
    if (fd < 0) {
        struct text *t = config_problem();

        text_put(t, "unable to open log \"");
        text_plain(t, path, strnlen(path, 200));
        text_put(t, "\": %s; logging to stderr\n", error_text(-fd));
        return false;
    }
    own_fd_keep(own(), (int)fd);
    return true;
}

static void reopen(int pid)
{
    int nobody = atomic_load(&opening);

    /* A thread of the parent that was here when another one forked is not in this process. */
    if (nobody == pid || !atomic_compare_exchange_strong(&opening, &nobody, pid))
        return;
    if (pid == atomic_load(&path_of) || name_path(pid)) {
        long fd = open_path();
        if (fd >= 0) {
            own_fd_keep(own(), (int)fd);
            atomic_store(&torn, false);
        }
    }
    atomic_store(&opening, 0);
}

/* Whether the file that we hold is no longer the one that its name means. In a chroot the name
 * means nothing to us. */
static bool is_stale(int number, int pid)
{
    struct identity now = identity_at("/");
    struct identity held = own_fd_file(own());

    if (!quiet_same(&root, &now))
        return false;
    if (number < 0 || (pid != atomic_load(&path_of) && strstr(config.log_path, "%p")))
        return true;
    now = identity_at(path);
    return !quiet_same(&held, &now);
}

bool sink_file_write(const char *bytes, size_t len)
{
    int pid = atomic_load(&process->pid);
    int number = own_fd_check(own());
    struct identity file;

    if (is_stale(number, pid)) {
        reopen(pid);
        number = own_fd_check(own());
    }
    file = own_fd_file(own());
    return number >= 0 && quiet_write(number, &file, bytes, len, &torn);
}

bool sink_file_owns(int fd)
{
    return fd == atomic_load(&owns[0].number) && own_fd_check(&owns[0]) == fd;
}

int sink_file_descriptor(void)
{
    return own_fd_check(&owns[0]);
}

void sink_file_in_lot(int number)
{
    own_fd_is(own(), number);
}
