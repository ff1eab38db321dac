/*
 * In log and warn the library asks the kernel and writes lines; that works in nearly every process. In
 * linger, and in drain if the program has threads, it needs a thread of its own (shim/remedy/linger.c); and
 * before it touches a connection of a program with threads it must see what these are doing
 * (shim/holders/threads.h). What prevents that can be seen from outside.
 */
#include "modes.h"
#include "cli.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define RING "anon_inode:[io_uring]"
#define MOST_THREADS 4096 /* shim/holders/threads.c follows no more */
#define UNCONFIRMED                                                                                \
    "outcomes are predicted, not confirmed, and the log says \"probably\"; all modes work"

static void limit(struct loaded *p, enum works drain, enum works linger)
{
    if (p->drain < drain)
        p->drain = drain;
    if (p->linger < linger)
        p->linger = linger;
}

static bool has_threads(const struct loaded *p)
{
    return p->threads.own > 1;
}

/* Or may have it: the mode is unknown. */
static bool has_remedy(const struct loaded *p)
{
    return !p->config || p->config->mode >= MODE_DRAIN;
}

/* ---- The library's thread ------------------------------------------------------------------------ */

void modes_no_thread(struct findings *f, struct loaded *p, const char *why)
{
    if (has_threads(p)) {
        limit(p, LEAVES_ALONE, LEAVES_ALONE);
        findings_add(f, LIMIT,
                     "%s: the library can't start its thread. The program has threads, so drain "
                     "and linger need it: they leave every connection alone",
                     why);
    } else {
        limit(p, WORKS, ONLY_DRAINS);
        findings_add(
            f, LIMIT,
            "%s: the library can't start its thread. Linger needs that thread; without it, "
            "it only drains",
            why);
    }
}

static bool same_link(pid_t pid, const char *name)
{
    char own[PATH_MAX], its[PATH_MAX];

    return process_link(getpid(), name, own, sizeof(own)) &&
           process_link(pid, name, its, sizeof(its)) && strcmp(own, its) == 0;
}

/* A capability in the user namespace of the machine, which is what the kernel wants for limits. */
static bool in_first_user_namespace(void)
{
    size_t len;
    char *map = process_file(getpid(), "uid_map", &len);
    unsigned long inside, outside, count;
    bool is = map && sscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3 && !inside &&
              !outside && count == UINT32_MAX;

    free(map);
    return is;
}

static bool is_capable(const struct loaded *p, unsigned capability)
{
    const char *set = process_value(p->status, "CapEff");

    return set && same_link(p->pid, "ns/user") && strtoull(set, NULL, 16) >> capability & 1;
}

static bool may_exceed(const struct loaded *p)
{
    return in_first_user_namespace() &&
           (process_number(p->status, "Uid") == 0 || is_capable(p, CAP_SYS_RESOURCE) ||
            is_capable(p, CAP_SYS_ADMIN));
}

struct user {
    long uid;
    unsigned long tasks;
};

static void count_tasks(pid_t pid, void *context)
{
    struct user *user = context;
    size_t len;
    char *status = process_file(pid, "status", &len);

    if (status && process_number(status, "Uid") == user->uid &&
        process_number(status, "Threads") > 0)
        user->tasks += (unsigned long)process_number(status, "Threads");
    free(status);
}

struct task_limit {
    unsigned long soft;
    unsigned long hard;
};

/* RLIMIT_NPROC in force; ULONG_MAX if it is unlimited or unknown. */
static struct task_limit task_limit(pid_t pid)
{
    static const char title[] = "\nMax processes";
    struct task_limit limit = {ULONG_MAX, ULONG_MAX};
    size_t len;
    char *limits = process_file(pid, "limits", &len);
    const char *line = limits ? strstr(limits, title) : NULL;

    if (line)
        sscanf(line + sizeof(title) - 1, "%lu %lu", &limit.soft, &limit.hard);
    free(limits);
    return limit;
}

/* Without the colon prlimit sets the hard limit, too. */
static void advise_task_limit(struct findings *f, const struct loaded *p, struct task_limit limit,
                              unsigned long tasks)
{
    unsigned long enough = tasks + 16;

    findings_add(
        f, DO,
        "raise that limit as root: prlimit --pid %ld --nproc=%lu%s; the library tries again "
        "at the next accept or connect",
        (long)p->pid, enough, limit.hard >= enough ? ":" : "");
}

/* A fork child without threads uses the library's thread of the process that it was forked from: that one,
 * or 0. */
static pid_t forked_lot_of(const struct loaded *p)
{
    struct process_threads threads;
    pid_t pid = p->pid;

    for (int depth = 0; depth < 16 && !has_threads(p); depth++) {
        size_t len;
        char *status = process_file(pid, "status", &len);

        pid = status ? (pid_t)process_number(status, "PPid") : 0;
        free(status);
        if (pid <= 0 || !process_threads(pid, &threads))
            break;
        if (threads.lot)
            return pid;
    }
    return 0;
}

static void judge_task_limit(struct findings *f, struct loaded *p)
{
    struct user user = {process_number(p->status, "Uid"), 0};
    struct task_limit limit = task_limit(p->pid);
    pid_t forked_from = p->threads.lot ? 0 : forked_lot_of(p);
    char *why;

    if (limit.soft == ULONG_MAX || may_exceed(p) || !process_each(count_tasks, &user) ||
        user.tasks < limit.soft)
        return;
    why = limit.soft
              ? text_of("its user runs %lu processes and threads, and its RLIMIT_NPROC is %lu",
                        user.tasks, limit.soft)
              : text_of("its RLIMIT_NPROC is 0");
    if (p->threads.lot) {
        findings_add(f, NOTE,
                     "%s: the library's thread runs, but once it has ended (setuid and unshare end "
                     "it, for example) the library can't start another",
                     why);
    } else if (forked_from) {
        findings_add(f, NOTE,
                     "%s: the library's thread runs in process %ld, from which this one was "
                     "forked. Once that has ended the library can't start another",
                     why, (long)forked_from);
    } else {
        modes_no_thread(f, p, why);
        if (has_remedy(p))
            advise_task_limit(f, p, limit, user.tasks);
    }
    free(why);
}

/* ---- What the program's threads do --------------------------------------------------------------- */

static bool is_procfs(const char *path)
{
    struct statfs fs;
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && statfs(path, &fs) == 0 &&
           fs.f_type == PROC_SUPER_MAGIC;
}

/* threads_keep_tasks */
static bool is_kept(const char *path, const char *target, void *context)
{
    (void)target;
    (void)context;
    return is_procfs(path);
}

/* The library's thread has opened its list of threads as number 3 of its own table. Before there is a thread
 * what counts is whether it could. */
static bool sees_threads(const struct loaded *p)
{
    char path[128];

    if (p->threads.lot) {
        snprintf(path, sizeof(path), "/proc/%ld/task/%ld/fd/3", (long)p->pid, (long)p->threads.lot);
        return is_procfs(path);
    }
    snprintf(path, sizeof(path), "/proc/%ld/root/proc", (long)p->pid);
    return is_procfs(path) || process_holds(p->pid, is_kept, NULL) != 0;
}

/* The files of a process that isn't dumpable are root's. */
static bool may_read_calls(const struct loaded *p)
{
    const char *ids = process_value(p->status, "Uid");
    unsigned long real, effective;
    uid_t owner;

    return !ids || sscanf(ids, "%lu %lu", &real, &effective) != 2 ||
           !process_owner(p->pid, "syscall", &owner) || owner == effective ||
           is_capable(p, CAP_DAC_OVERRIDE) || is_capable(p, CAP_DAC_READ_SEARCH);
}

static void judge_threads(struct findings *f, struct loaded *p)
{
    if (!has_threads(p))
        return;
    if (p->threads.own > MOST_THREADS) {
        limit(p, LEAVES_ALONE, LEAVES_ALONE);
        findings_add(f, LIMIT,
                     "it has %u threads, and the library follows at most %d: drain and linger "
                     "leave every connection alone",
                     p->threads.own, MOST_THREADS);
    } else if (!sees_threads(p)) {
        limit(p, LEAVES_ALONE, LEAVES_ALONE);
        findings_add(f, LIMIT,
                     "it has threads, and the library can't see what they do, because there is no "
                     "/proc in its root directory: drain and linger leave every connection alone");
    } else if (!may_read_calls(p)) {
        limit(p, IN_PART, IN_PART);
        findings_add(
            f, LIMIT,
            "it has threads and isn't dumpable (its user has changed, for example): the "
            "library sees where in the kernel each thread sleeps (wchan), but not on which "
            "descriptor. Drain and linger leave a connection alone if a thread may still "
            "be using it");
    }
}

/* ---- The rest ------------------------------------------------------------------------------------ */

static void judge_root(struct findings *f, const struct loaded *p)
{
    char root[PATH_MAX];

    if (same_link(p->pid, "root") || !same_link(p->pid, "ns/mnt") ||
        !process_link(p->pid, "root", root, sizeof(root)))
        return;
    if (p->config && p->config->log == LOG_FILE)
        findings_add(f, NOTE,
                     "its root directory is %s (chroot): the library goes on writing to the log "
                     "file that it opened before, and doesn't notice when that file is rotated",
                     root);
    else
        findings_add(f, NOTE, "its root directory is %s (chroot)", root);
}

/* In log and warn the library has no thread that a signal would have to reach. */
static void judge_psx(struct findings *f, struct loaded *p)
{
    char path[PATH_MAX];

    if (process_maps(p->pid, "libpsx.so", path, NULL) != 1)
        return;
    limit(p, UNSAFE, UNSAFE);
    findings_add(f, has_remedy(p) ? UNSURE : LIMIT,
                 "it uses libpsx, which sends every thread a signal when the program changes its "
                 "rights, and waits for an answer. The library's thread doesn't answer: use only "
                 "log and warn");
}

static bool is_ring(const char *path, const char *target, void *context)
{
    (void)path;
    (void)context;
    return strcmp(target, RING) == 0;
}

static void judge_ring(struct findings *f, struct loaded *p)
{
    char path[PATH_MAX];

    if (process_holds(p->pid, is_ring, NULL) != 1 && process_maps(p->pid, RING, path, NULL) != 1)
        return;
    limit(p, UNSAFE, UNSAFE);
    findings_add(f, UNSURE,
                 "it uses io_uring, and the library doesn't see what is done through a ring. A "
                 "close through it is missing from the log. Drain and linger may discard what the "
                 "ring is reading, or leave every connection alone: use only log and warn");
}

void modes_judge(struct findings *f, struct loaded *p)
{
    judge_task_limit(f, p);
    judge_threads(f, p);
    judge_root(f, p);
    judge_psx(f, p);
    judge_ring(f, p);
}

/* ---- Asking the kernel --------------------------------------------------------------------------- */

struct inode {
    const char *netlink; /* /proc/PID/net/netlink */
};

/* Its lines end with protocol NETLINK_SOCK_DIAG as the second word, and the inode as the last one. */
static bool is_diag(const char *path, const char *target, void *context)
{
    const struct inode *in = context;
    unsigned long inode, listed;
    unsigned protocol;

    (void)path;
    if (sscanf(target, "socket:[%lu]", &inode) != 1)
        return false;
    for (const char *line = strchr(in->netlink, '\n'); line; line = strchr(line + 1, '\n'))
        if (sscanf(line, "%*s %u %*s %*s %*s %*s %*s %*s %*s %lu", &protocol, &listed) == 2 &&
            protocol == NETLINK_SOCK_DIAG && listed == inode)
            return true;
    return false;
}

static bool holds_diag(pid_t pid)
{
    size_t len;
    char *netlink = process_file(pid, "net/netlink", &len);
    struct inode in = {netlink};
    bool holds = netlink && process_holds(pid, is_diag, &in) == 1;

    free(netlink);
    return holds;
}

static bool selinux_enforces(void)
{
    FILE *file = fopen("/sys/fs/selinux/enforce", "re");
    int c = file ? getc(file) : EOF;

    if (file)
        fclose(file);
    return c == '1';
}

/* "user:role:type:level" of SELinux, or "profile (enforce)" of AppArmor. */
static bool is_confined(const char *context)
{
    const char *type = strchr(context, ':');

    if (strstr(context, " (enforce)"))
        return true;
    type = type ? strchr(type + 1, ':') : NULL;
    return type && strncmp(type, ":unconfined_", 12) != 0 && selinux_enforces();
}

/* What refuses netlink to a process with the same filters refuses it here, too. */
static const char *refused_here(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return strerror(errno);
    close(fd);
    return NULL;
}

void modes_judge_netlink(struct findings *f, const struct loaded *p)
{
    const char *refused = refused_here();
    size_t len;
    char *context;

    if (holds_diag(p->pid))
        return;
    if (refused) {
        findings_add(f, LIMIT,
                     "this command can't open a netlink socket (%s), so the library probably can't "
                     "either: " UNCONFIRMED,
                     refused);
        return;
    }
    context = process_file(p->pid, "attr/current", &len);
    if (context)
        context[strcspn(context, "\n")] = '\0';
    if (context && is_confined(context))
        findings_add(f, LIMIT,
                     "its security policy (%s) may refuse it netlink sockets; then " UNCONFIRMED,
                     context);
    free(context);
}

/* ---- What that comes to -------------------------------------------------------------------------- */

void modes_say(struct findings *f, const struct loaded *p)
{
    static const char *const does[] = {[WORKS] = "works",
                                       [IN_PART] = "works in part",
                                       [ONLY_DRAINS] = "only drains",
                                       [LEAVES_ALONE] = "does nothing",
                                       [UNSAFE] = "is unsafe"};
    static const char *const do_both[] = {[WORKS] = "work",
                                          [IN_PART] = "work in part",
                                          [ONLY_DRAINS] = "only drain",
                                          [LEAVES_ALONE] = "do nothing",
                                          [UNSAFE] = "are unsafe"};
    enum mode mode = p->config ? p->config->mode : MODE_OFF;

    if (mode == MODE_DRAIN && p->drain == LEAVES_ALONE)
        findings_add(f, AGAINST, "its mode drain does nothing there: it only reports resets");
    else if (mode == MODE_LINGER && p->linger == LEAVES_ALONE)
        findings_add(f, AGAINST, "its mode linger does nothing there: it only reports resets");
    else if (mode == MODE_LINGER && p->linger == ONLY_DRAINS)
        findings_add(f, AGAINST, "its mode is linger, but there it only drains");
    if (p->drain == WORKS && p->linger == WORKS)
        findings_add(f, MODES, "log, warn, drain and linger work");
    else if (p->drain == p->linger)
        findings_add(f, MODES, "log and warn work; drain and linger %s", do_both[p->drain]);
    else if (p->drain == WORKS)
        findings_add(f, MODES, "log, warn and drain work; linger %s", does[p->linger]);
    else
        findings_add(f, MODES, "log and warn work; drain %s; linger %s", does[p->drain],
                     does[p->linger]);
}
