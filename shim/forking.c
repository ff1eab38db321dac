#include "safeclose.h"

#include "boundary.h"
#include "event_json.h"
#include "forking.h"
#include "giveup.h"
#include "linger.h"
#include "share.h"

#include <sched.h>

bool forking_begin(void)
{
    if (boundary_vfork_child()) /* a copy of the parent's descriptors that nobody could count */
        share_lose_all();
    if (!boundary_enter())
        return false;
    boundary_fork_begin();
    share_fork_begin();
    return true;
}

bool forking_begin_clone(uint64_t flags)
{
    if (flags & CLONE_NEWNET)
        event_json_moved();
    if (flags & CLONE_THREAD)
        return false;
    if (!(flags & (CLONE_VM | CLONE_FILES)))
        return forking_begin();
    if (boundary_vfork_child())
        share_lose_all();
    if (!boundary_enter())
        return false;
    if (flags & CLONE_VFORK && flags & CLONE_VM && !(flags & CLONE_FILES))
        boundary_vfork();
    else
        giveup_for_good(GIVEUP_UNSHARED);
    return false;
}

/* A clone's child does not come back here; its first hook finds out all the same. */
long forking_end(bool watched, long pid)
{
    if (!watched)
        return pid;
    if (pid == 0) {
        boundary_enter();
        return pid;
    }
    share_fork_parent((int)pid);
    boundary_fork_end();
    return pid;
}

/*
 * Forks that come by none of our hooks: libc's own, or its fork by another handle. Nobody tells
 * here who the child is, so the family can't be followed any more; but the counts stay right.
 */
static PER_THREAD bool by_handler;

static void before_fork(void)
{
    by_handler = !boundary_forking_here() && forking_begin();
}

static void after_fork_in_parent(void)
{
    if (by_handler) {
        share_distrust();
        forking_end(true, -1);
    }
    by_handler = false;
}

static void after_fork_in_child(void)
{
    if (by_handler)
        forking_end(true, 0);
    by_handler = false;
}

void forking_start(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

bool spawning_begin(void)
{
    if (boundary_vfork_child())
        share_spawn();
    if (!boundary_enter())
        return false;
    boundary_spawn_begin();
    share_spawn();
    return true;
}

/* Once more for what other threads created meanwhile. */
void spawning_end(bool watched)
{
    if (!watched)
        return;
    share_spawn();
    boundary_spawn_end();
}

void execing(void)
{
    if (boundary_vfork_child() || boundary_enter())
        share_spawn();
}
