#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/error.h"
#include "ground/file.h"
#include "ground/host.h"
#include "ground/log_open.h"
#include "ground/own_fd.h"
#include "ground/sys.h"
#include "report/sink_file.h"
#include "settings/config.h"

#define TROUBLE 1536  /* bytes */
#define RETRY_AFTER 1 /* seconds */

/* Needed only with a file log, so mapped only then, by the constructor. */
struct log {
    char path[PATH_MAX];      /* config.log_path with the pid in place */
    char room[LOG_OPEN_ROOM]; /* for the walk */
    char why[TROUBLE];        /* the last attempt failed, not terminated */
    size_t why_len;
    struct identity failed_on; /* what the path led to then */
    int64_t failed_at;         /* seconds; 0: the last attempt did not fail */
};

enum { NO_TROUBLE, UNREPORTED, REPORTED };

/* In the program's descriptor table, and in those of the lots. */
static struct own_fd owns[1 + BOUNDARY_LOTS] = {[0 ... BOUNDARY_LOTS] = OWN_FD_NONE};
static struct identity root; /* sink_open: a chroot shows as another one */
static struct log *file;     /* sink_open; its contents: the thread that holds opening */
static _Atomic int path_of;  /* the pid in the path; likewise */
static _Atomic int trouble;  /* likewise */
static _Atomic int opening;  /* the pid of a process in which a thread is opening the file */
static _Atomic bool torn;

static struct own_fd *own(void)
{
    return &owns[boundary_lot()];
}

static bool name_path(int pid)
{
    struct text t = text_over(file->path, PATH_MAX - 1);

    for (const char *p = config.log_path; *p; p++) {
        if (*p != '%')
            text_bytes(&t, p, 1);
        else if (*++p == 'p')
            text_put(&t, "%d", pid);
        else if (*p == 'h')
            host_name(&t);
        else
            text_put(&t, "%%");
    }
    file->path[t.len] = '\0';
    atomic_store(&path_of, t.cut ? 0 : pid);
    return !t.cut;
}

static struct identity identity_at(const char *name)
{
    return file_identity_at(AT_FDCWD, name, 0);
}

/* The descriptor, or -1 and why. */
static int open_path(int pid)
{
    struct text t = text_over(file->why, TROUBLE);
    int fd = -1;

    text_put(&t, "unable to open log \"");
    text_plain(&t, file->path, strnlen(file->path, 200));
    text_put(&t, "\": ");
    if (pid == atomic_load(&path_of))
        fd = log_open(file->path, file->room, &t);
    else
        text_put(&t, "%s", error_text(ENAMETOOLONG));
    file->why_len = t.len;
    return fd;
}

bool sink_file_start(void)
{
    int pid = sys_getpid();
    int fd;

    root = identity_at("/");
    file = sys_map(sizeof(*file));
    if (!file) {
        text_put(config_problem(), "no memory for a log file; logging to stderr\n");
        return false;
    }
    name_path(pid);
    fd = open_path(pid);
    if (fd < 0) {
        text_bytes(config_problem(), file->why, file->why_len);
        text_put(config_problem(), "; logging to stderr\n");
        return false;
    }
    own_fd_keep(own(), fd);
    return true;
}

/* A thread of the parent that was opening the file during the fork is not in this process. */
static bool claim(int pid)
{
    int holder = atomic_load(&opening);

    return holder != pid && atomic_compare_exchange_strong(&opening, &holder, pid);
}

/* Never 0. */
static int64_t seconds(void)
{
    struct timespec now = {0, 0};

    sys2(SYS_clock_gettime, CLOCK_MONOTONIC_COARSE, SYS_ARG(&now));
    return now.tv_sec + 1;
}

static bool same_or_both_missing(const struct identity *a, const struct identity *b)
{
    return file_same(a, b) || (!a->mode && !b->mode);
}

/* Walking the path for each line would cost too much. What was refused is refused again, unless something else is
 * there by now. If only its owner or mode was mended, another try after a while finds out. */
static bool may_succeed(void)
{
    struct identity now = identity_at(file->path);

    return !file->failed_at || seconds() - file->failed_at >= RETRY_AFTER ||
           !same_or_both_missing(&now, &file->failed_on);
}

static void forget_failure(void)
{
    file->failed_at = 0;
    atomic_store(&trouble, NO_TROUBLE);
}

/* The log goes on in the file that we hold. */
static void note_failure(void)
{
    file->failed_on = identity_at(file->path);
    file->failed_at = seconds();
    if (atomic_load(&trouble) == NO_TROUBLE)
        atomic_store(&trouble, UNREPORTED);
}

static void try_open(int pid)
{
    int fd = open_path(pid);

    if (fd < 0) {
        note_failure();
        return;
    }
    own_fd_keep(own(), fd);
    atomic_store(&torn, false);
    forget_failure();
}

static void reopen(int pid)
{
    if (!claim(pid))
        return;
    if (pid != atomic_load(&path_of) && name_path(pid))
        forget_failure();
    if (may_succeed())
        try_open(pid);
    atomic_store(&opening, 0);
}

bool sink_file_has_trouble(void)
{
    return atomic_load(&trouble) == UNREPORTED && own_fd_check(own()) >= 0;
}

static void put_trouble(struct text *t, bool json)
{
    if (json)
        text_json(t, file->why, file->why_len);
    else
        text_bytes(t, file->why, file->why_len);
    text_put(t, "; the log stays in the file that is open");
    atomic_store(&trouble, REPORTED);
}

/* Another thread may have reported it, or opened the file, since sink_file_has_trouble. */
bool sink_file_put_trouble(struct text *t, bool json)
{
    bool unreported;

    if (!claim(atomic_load(&process->pid)))
        return false;
    unreported = atomic_load(&trouble) == UNREPORTED;
    if (unreported)
        put_trouble(t, json);
    atomic_store(&opening, 0);
    return unreported;
}

/* Whether the file that we hold is no longer the one that its name means. In a chroot the name
 * means nothing to us. */
static bool is_stale(int number, int pid)
{
    struct identity now = identity_at("/");
    struct identity held = own_fd_file(own());

    if (!file_same(&root, &now))
        return false;
    if (number < 0 || (pid != atomic_load(&path_of) && strstr(config.log_path, "%p")))
        return true;
    now = identity_at(file->path);
    return !file_same(&held, &now);
}

bool sink_file_write(const char *bytes, size_t len)
{
    int pid = atomic_load(&process->pid);
    int number = own_fd_check(own());
    struct identity held;

    if (is_stale(number, pid)) {
        reopen(pid);
        number = own_fd_check(own());
    }
    held = own_fd_file(own());
    return number >= 0 && nowait_write(number, &held, bytes, len, &torn);
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
