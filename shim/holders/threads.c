#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/own_fd.h"
#include "ground/proc.h"
#include "ground/sys.h"
#include "holders/thread.h"

#define MOST 4096 /* threads; of more nothing is known */

#ifndef SYS_open_tree
#define SYS_open_tree 428 /* on every machine */
#endif
#define OPEN_TREE_CLONE 1

static struct own_fd kept = OWN_FD_NONE; /* threads_keep_tasks */
static _Atomic int kept_by;

void threads_keep_tasks(void)
{
    long tasks =
        sys3(SYS_open_tree, AT_FDCWD, SYS_ARG("/proc/self/task"), OPEN_TREE_CLONE | O_CLOEXEC);

    if (tasks < 0)
        return;
    own_fd_keep(&kept, (int)tasks);
    atomic_store(&kept_by, atomic_load(&process->pid));
}

void threads_fork_child(void)
{
    int number = own_fd_check(&kept);

    if (number >= 0)
        sys1(SYS_close, number);
    atomic_store(&kept.number, -1);
}

bool threads_own(int fd)
{
    return atomic_load(&kept.number) == fd && own_fd_check(&kept) == fd;
}

int threads_open_tasks(void)
{
    int own = atomic_load(&kept_by) == atomic_load(&process->pid) ? own_fd_check(&kept) : -1;
    long tasks = own >= 0
                     ? sys4(SYS_openat, own, SYS_ARG("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
                     : proc_open("/proc/self/task");

    return tasks < 0 ? -1 : (int)tasks;
}

void threads_start(struct threads *t, int tasks)
{
    memset(t, 0, sizeof(*t));
    t->tasks = tasks;
    t->walk = 1; /* who was never listed was not in the last one */
}

void threads_stop(struct threads *t)
{
    if (t->list)
        sys2(SYS_munmap, SYS_ARG(t->list), MOST * sizeof(t->list[0]));
    t->list = NULL;
}

/* ---- All of them ----------------------------------------------------------------------------- */

/* Threads are listed in the order of their creation, so this one most often follows the one before. */
static struct thread *find(struct threads *t, int tid, uint32_t *hint)
{
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (*hint + i) % t->count;

        if (t->list[at].tid == tid) {
            *hint = at + 1;
            return &t->list[at];
        }
    }
    if (t->count == MOST)
        return NULL;
    t->list[t->count] = (struct thread){.tid = tid, .out = t->whole};
    return &t->list[t->count++];
}

struct walk {
    struct threads *threads;
    uint32_t hint;
    uint32_t listed;
    uint32_t lots; /* which are listed as well */
};

static bool look_at(int dir, const char *name, int tid, void *context)
{
    struct walk *w = context;
    struct threads *t = w->threads;
    struct thread *seen;
    enum where before;
    bool listed;

    (void)dir;
    if (boundary_is_lot(tid)) { /* whose numbers are its own */
        w->lots++;
        return true;
    }
    seen = find(t, tid, &w->hint);
    if (!seen)
        return false;
    listed = seen->listed == t->walk - 1;
    t->fresh += !listed;
    before = seen->where;
    seen->listed = t->walk;
    w->listed++;
    thread_look(t, seen, name);
    if (seen->where == ELSEWHERE)
        seen->out = t->walk;
    seen->counted |= t->counts_all || seen->number < 0;
    if (seen->where == RUNNING || seen->where == ASLEEP)
        thread_count(t, seen, name, listed && seen->where == before);
    return true;
}

/* A thread that two walks in a row have not seen has ended. */
static void bury(struct threads *t)
{
    uint32_t left = 0;
    uint32_t count = t->count;

    for (uint32_t i = 0; i < t->count; i++)
        if (t->list[i].listed >= t->walk - 1)
            t->list[left++] = t->list[i];
    t->count = left;
    if (left < count && !t->complete) /* nor has one that is not missed by a third */
        t->whole = 0;
}

/* The kernel says how many threads there are by the directory's link count, which is two more. A count of less than
 * two comes from something that only imitates Linux. */
static bool are_all(const struct threads *t, uint32_t listed)
{
    struct stat st;

    return sys2(SYS_fstat, t->tasks, SYS_ARG(&st)) == 0 &&
           (st.st_nlink <= 2 || st.st_nlink - 2 == listed);
}

static void walk(struct threads *t)
{
    struct walk w = {.threads = t};

    t->walk++;
    t->fresh = 0;
    t->complete = sys3(SYS_lseek, t->tasks, 0, SEEK_SET) == 0 &&
                  proc_walk(t->tasks, look_at, &w) == PROC_ALL && t->fresh == 0 &&
                  w.listed == t->before && w.lots > 0 && are_all(t, w.listed + w.lots);
    t->before = w.listed;
    if (t->complete)
        t->whole = t->walk;
    bury(t);
}

/* Not for fork children; where that is refused a child has a useless copy. */
static bool map_list(struct threads *t)
{
    t->list = sys_map(MOST * sizeof(t->list[0]));
    sys3(SYS_madvise, SYS_ARG(t->list), MOST * sizeof(t->list[0]), MADV_DONTFORK);
    return t->list;
}

void threads_look(struct threads *t)
{
    t->complete = false;
    t->shut = false; /* the process may have other rights by now */
    if (t->tasks < 0 || (!t->list && !map_list(t)))
        return;
    walk(t);
    walk(t);
}
