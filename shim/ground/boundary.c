#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/real.h"
#include "ground/sys.h"

#include <sched.h>
#include <sys/prctl.h>

static struct process fallback; /* used if no page can be mapped; then the pid is asked each time */
struct process *process = &fallback;

enum { EARLY, OFF, READY, STOOD_DOWN };

static bool wiped;                        /* the page is wiped by fork; constructor */
static _Atomic int phase;                 /* constructor, last */
static _Atomic int spawning;              /* spawn hooks; likewise */
static PER_THREAD volatile bool vforking; /* vfork hook, and its end */
static PER_THREAD volatile bool
    ends_by_hook; /* likewise: nobody tells when it returns in the parent */
static PER_THREAD volatile bool fork_was_hooked; /* fork hook: this thread forks through it */
static bool forked;                              /* become_child: this process is a fork child */
static void (*tell_child)(bool);                 /* constructor */
static _Atomic(const char *) lots;               /* boundary_set_lots */
static _Atomic size_t lot_size;                  /* likewise */
static _Atomic(const _Atomic int *) lot_tids;    /* likewise */

/* At the first hook of a fork child. A signal handler may run it a second time; that does no harm, as each step can
 * be repeated. */
static void become_child(int pid)
{
    bool by_hook = fork_was_hooked;

    forked = true;
    if (!wiped)
        memset(process, 0, sizeof(*process));
    atomic_store(&spawning, 0);
    vforking = false;
    fork_was_hooked = false;
    atomic_store(&process->pid, pid);
    tell_child(by_hook);
}

bool boundary_enter(void)
{
    if (atomic_load_explicit(&phase, memory_order_acquire) != READY)
        return false;
    if (vforking) {
        if (!boundary_is_ours())
            return false;
        if (ends_by_hook)
            boundary_vfork_end();
    }
    if (!wiped || atomic_load_explicit(&process->pid, memory_order_relaxed) == 0) {
        int pid = sys_getpid();
        if (atomic_load(&process->pid) != pid)
            become_child(pid);
    }
    return true;
}

bool boundary_is_ours(void)
{
    return sys_getpid() == atomic_load(&process->pid);
}

void boundary_fork_begin(void)
{
    fork_was_hooked = true;
}

void boundary_fork_end(void)
{
    fork_was_hooked = false;
}

void boundary_spawn_begin(void)
{
    atomic_fetch_add(&spawning, 1);
}

void boundary_spawn_end(void)
{
    atomic_fetch_sub(&spawning, 1);
}

bool boundary_forking_here(void)
{
    return fork_was_hooked;
}

bool boundary_spawning(void)
{
    return atomic_load(&spawning) > 0;
}

void boundary_vfork(bool ends_by_call)
{
    atomic_fetch_add(&spawning, 1);
    ends_by_hook = !ends_by_call;
    vforking = true;
}

void boundary_vfork_end(void)
{
    if (!vforking)
        return;
    vforking = false;
    atomic_fetch_sub(&spawning, 1);
}

bool boundary_vfork_child(void)
{
    return vforking && !boundary_is_ours();
}

bool boundary_watches(void)
{
    return boundary_enter() || boundary_vfork_child();
}

bool boundary_likely_threads(void)
{
    return !real_single_threaded() && !forked;
}

/* unshare(CLONE_THREAD) does nothing in a process with one thread, and is refused in others. */
bool boundary_single_threaded(void)
{
    return real_single_threaded() ||
           (forked && sys6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == 0 &&
            sys1(SYS_unshare, CLONE_THREAD) == 0);
}

void boundary_set_lots(const void *memory, size_t each, const _Atomic int *tids)
{
    atomic_store(&lot_size, each);
    atomic_store(&lot_tids, tids);
    atomic_store(&lots, memory);
}

int boundary_lot(void)
{
    const char *memory = atomic_load(&lots);
    size_t size = atomic_load(&lot_size);
    size_t at = (uintptr_t)__builtin_frame_address(0) - (uintptr_t)memory;

    return memory && at / size < BOUNDARY_LOTS ? (int)(at / size) + 1 : 0;
}

bool boundary_is_lot(int tid)
{
    const _Atomic int *tids = atomic_load(&lot_tids);

    for (int i = 0; tids && i < BOUNDARY_LOTS; i++)
        if (atomic_load(&tids[i]) == tid)
            return true;
    return false;
}

bool boundary_stand_down(void)
{
    int on = READY;
    return atomic_compare_exchange_strong(&phase, &on, STOOD_DOWN);
}

bool boundary_stood_down(void)
{
    return atomic_load(&phase) == STOOD_DOWN;
}

void boundary_resume(void)
{
    atomic_store(&phase, READY);
}

void boundary_start(void (*in_child)(bool seen_fork))
{
    long size = 4096;
    struct process *page = sys_map((size_t)size);

    if (page && sys3(SYS_madvise, SYS_ARG(page), size, MADV_WIPEONFORK) == 0) {
        process = page;
        wiped = true;
    } else if (page) {
        sys2(SYS_munmap, SYS_ARG(page), size);
    }
    tell_child = in_child;
    atomic_store(&process->pid, sys_getpid());
}

void boundary_ready(bool on)
{
    atomic_store_explicit(&phase, on ? READY : OFF, memory_order_release);
}

bool boundary_early(void)
{
    return atomic_load(&phase) == EARLY;
}
