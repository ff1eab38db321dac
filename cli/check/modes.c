/*
 * In log and warn the library asks the kernel and writes lines; that works in nearly every process. In
 * linger, and in drain if the program has threads, it needs a thread of its own (shim/remedy/linger.c); and
 * before it touches a connection of a program with threads it must see what these are doing
 * (shim/holders/threads.h). What prevents that can be seen from outside.
 */
#include "check/modes.h"
#include "common/say.h"
#include "check/nproc.h"
#include "shim/ground/newer.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define RING "anon_inode:[io_uring]"
#define MOST_THREADS 4096 /* shim/holders/threads.c follows no more */

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

bool modes_remedy(const struct loaded *p)
{
    return !p->config || p->config->controlled || p->config->mode >= MODE_DRAIN;
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

/* Without it the library's thread can't let go of the program's descriptors: Linux before 5.9, or a filter
 * that this command has, too. */
static void judge_kernel(struct findings *f, struct loaded *p)
{
    char *why;

    if (p->threads.lot || syscall(SYS_close_range, ~0U, ~0U, 0) == 0)
        return;
    why = text_of("the kernel, or a seccomp filter, refuses close_range (%s)", strerror(errno));
    modes_no_thread(f, p, why);
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
           process_capable(p->pid, p->status, CAP_DAC_OVERRIDE) ||
           process_capable(p->pid, p->status, CAP_DAC_READ_SEARCH);
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

    if (process_shares(p->pid, "root") || !process_shares(p->pid, "ns/mnt") ||
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
    findings_add(f, modes_remedy(p) ? UNSURE : LIMIT,
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
    findings_add(
        f, UNSURE,
        "it uses io_uring, and the library doesn't see what is done through a ring. A "
        "close through it is missing from the log. If the ring reads connections, drain and "
        "linger may discard what it reads; if it only registers events, as that of "
        "Node.js, they are safe. If you don't know: use only log and warn");
}

void modes_judge(struct findings *f, struct loaded *p)
{
    judge_kernel(f, p);
    nproc_judge(f, p);
    judge_threads(f, p);
    judge_root(f, p);
    judge_psx(f, p);
    judge_ring(f, p);
}

/* ---- What that comes to -------------------------------------------------------------------------- */

static char *all_modes(const struct loaded *p)
{
    static const char *const does[] = {[WORKS] = "works",
                                       [IN_PART] = "works in part",
                                       [ONLY_DRAINS] = "only drains",
                                       [LEAVES_ALONE] = "does nothing",
                                       [UNSAFE] = "is unsafe"};
    static const char *const both_do[] = {[WORKS] = "work",
                                          [IN_PART] = "work in part",
                                          [ONLY_DRAINS] = "only drain",
                                          [LEAVES_ALONE] = "do nothing",
                                          [UNSAFE] = "are unsafe"};

    if (p->drain == WORKS && p->linger == WORKS)
        return text_of("log, warn, drain and linger work");
    if (p->drain == p->linger)
        return text_of("log and warn work; drain and linger %s", both_do[p->drain]);
    if (p->drain == WORKS)
        return text_of("log, warn and drain work; linger %s", does[p->linger]);
    return text_of("log and warn work; drain %s; linger %s", does[p->drain], does[p->linger]);
}

void modes_say(struct findings *f, const struct loaded *p)
{
    bool off = p->config && (p->config->mode == MODE_OFF || !p->config->in_programs);
    enum mode mode = p->config ? p->config->mode : MODE_OFF;
    char *all = all_modes(p);

    if (mode == MODE_DRAIN && p->drain == LEAVES_ALONE)
        findings_add(f, AGAINST,
                     "its mode is drain, but in this process drain only reports resets");
    else if (mode == MODE_LINGER && p->linger == LEAVES_ALONE)
        findings_add(f, AGAINST,
                     "its mode is linger, but in this process linger only reports resets");
    else if (mode == MODE_LINGER && p->linger == ONLY_DRAINS)
        findings_add(f, AGAINST, "its mode is linger, but in this process linger only drains");
    findings_add(f, MODES, "%s%s", off ? "if another mode is set: " : "", all);
    free(all);
}
