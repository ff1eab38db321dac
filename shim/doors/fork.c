#include "safeclose.h"

#include "doors/fork.h"
#include "doors/standdown.h"
#include "ground/boundary.h"
#include "ground/real.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "remedy/linger.h"
#include "report/event_json.h"

#include <sched.h>

enum forking fork_begin(void)
{
    if (boundary_vfork_child()) /* a copy of the parent's descriptors that nobody could count */
        holders_lose_all();
    if (!boundary_enter()) {
        if (boundary_stood_down()) /* we may not ask the kernel anything, so the child can't be followed */
            family_distrust();
        return FORK_UNWATCHED;
    }
    boundary_fork_begin();
    family_fork_begin();
    holders_fork_begun();
    return FORK_WATCHED;
}

enum forking fork_clone_begin(uint64_t flags)
{
    if (flags & CLONE_NEWNET)
        event_json_moved();
    if (flags & CLONE_THREAD) {
        real_note_thread();
        return FORK_UNWATCHED;
    }
    if (!(flags & (CLONE_VM | CLONE_FILES)))
        return fork_begin();
    if (boundary_vfork_child())
        holders_lose_all();
    /* In a pid namespace of its own the child may have our pid. */
    if (!(flags & CLONE_VFORK && flags & CLONE_VM && !(flags & (CLONE_FILES | CLONE_NEWPID))))
        return standdown_begin(STANDDOWN_UNSHARED) ? FORK_STOOD_DOWN : FORK_UNWATCHED;
    return fork_vfork_begin(true);
}

/* A clone's child does not return here; its first hook notices. */
long fork_end(enum forking forking, long pid)
{
    if (forking == FORK_VFORK && pid != 0) /* in the parent: the child has executed, or ended */
        boundary_vfork_end();
    if (forking != FORK_WATCHED)
        return standdown_end(forking == FORK_STOOD_DOWN ? STANDDOWN_UNSHARED : STANDDOWN_NONE, pid);
    if (pid == 0) {
        boundary_enter();
        return pid;
    }
    family_fork_parent((int)pid);
    boundary_fork_end();
    return pid;
}

/* The lot ends with the parent, which passes no door. */
enum forking fork_daemon_begin(void)
{
    if (boundary_enter())
        linger_wait();
    return fork_begin();
}

int fork_daemon_end(enum forking forking, int ret)
{
    if (forking == FORK_WATCHED && ret == 0 && boundary_enter())
        family_fork_self();
    else
        fork_end(forking, -1);
    return ret;
}

enum forking fork_vfork_begin(bool ends_by_call)
{
    if (!boundary_enter())
        return FORK_UNWATCHED;
    boundary_vfork(ends_by_call);
    return FORK_VFORK;
}

/* Forks that pass no hook of ours: libc's own, or its fork by another handle. The handlers don't learn the child's
 * pid, so nothing is proven any more of what was created before. */
static PER_THREAD enum forking by_handler;

static void before_fork(void)
{
    by_handler = boundary_forking_here() ? FORK_UNWATCHED : fork_begin();
}

static void after_fork_in_parent(void)
{
    if (by_handler == FORK_WATCHED) {
        family_distrust();
        family_fork_parent(0);
        boundary_fork_end();
    }
    by_handler = FORK_UNWATCHED;
}

static void after_fork_in_child(void)
{
    if (by_handler == FORK_WATCHED && boundary_enter())
        family_fork_self();
    by_handler = FORK_UNWATCHED;
}

void fork_start(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
