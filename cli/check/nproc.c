#include "check/nproc.h"
#include "common/say.h"

#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only a user or capability of the machine's own user namespace is exempt. */
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

static bool may_exceed(const struct loaded *p)
{
    return in_first_user_namespace() && (process_number(p->status, "Uid") == 0 ||
                                         process_capable(p->pid, p->status, CAP_SYS_RESOURCE) ||
                                         process_capable(p->pid, p->status, CAP_SYS_ADMIN));
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

    for (int depth = 0; depth < 16 && p->threads.own <= 1; depth++) {
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

void nproc_judge(struct findings *f, struct loaded *p)
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
        if (modes_remedy(p))
            advise_task_limit(f, p, limit, user.tasks);
    }
    free(why);
}
