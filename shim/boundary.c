#include "safeclose.h"

#include "boundary.h"
#include "sys.h"

static struct process fallback; /* where no page can be had; then the pid is asked each time */
struct process *process = &fallback;
_Atomic uint64_t boundary_too_early;

enum { EARLY, OFF, READY };

static bool wiped;                        /* the page is wiped by fork; constructor */
static _Atomic int phase;                 /* constructor, last */
static _Atomic uint32_t epoch = 1;        /* fork hooks, and the first hook of a fork child */
static _Atomic int forking;               /* fork hooks; a child starts at 0 */
static PER_THREAD volatile bool vforking; /* vfork hook, and the next hook of that thread */

/* The first hook of a fork child. A signal may run it twice, which does no harm: every step can be
 * repeated, and whatever is noted of descriptors so far is of an earlier epoch either way. */
static void become_child(int pid)
{
    if (!wiped)
        memset(process, 0, sizeof(*process));
    atomic_store(&forking, 0);
    vforking = false;
    atomic_fetch_add(&epoch, 1);
    atomic_store(&process->pid, pid);
}

bool boundary_enter(void)
{
    if (atomic_load_explicit(&phase, memory_order_acquire) != READY)
        return false;
    if (vforking) {
        if (!boundary_is_ours()) {
            /* The child's descriptors are copies of those that its parent had when it really
             * forked, which is after the hook: what another thread accepted in between is shared
             * too. */
            atomic_fetch_add(&epoch, 1);
            return false;
        }
        vforking = false;
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

uint32_t boundary_epoch(void)
{
    return atomic_load(&epoch);
}

void boundary_fork_begin(void)
{
    atomic_fetch_add(&forking, 1);
    atomic_fetch_add(&epoch, 1);
}

void boundary_fork_end(void)
{
    atomic_fetch_add(&epoch, 1);
    atomic_fetch_sub(&forking, 1);
}

bool boundary_forking(void)
{
    return atomic_load(&forking) > 0;
}

void boundary_vfork(void)
{
    atomic_fetch_add(&epoch, 1);
    vforking = true;
}

void boundary_start(void)
{
    long size = 4096;
    long page = sys6(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (!(page < 0 && page > -4096)) {
        if (sys3(SYS_madvise, page, size, MADV_WIPEONFORK) == 0) {
            process = (struct process *)page;
            wiped = true;
        } else {
            sys2(SYS_munmap, page, size);
        }
    }
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
