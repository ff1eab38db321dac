#include "safeclose.h"

#include "boundary.h"
#include "forking.h"
#include "share.h"

bool forking_begin(void)
{
    if (!boundary_enter())
        return false;
    boundary_fork_begin();
    share_fork_begin();
    return true;
}

/* A clone's child does not come back here; its first hook finds out all the same. */
pid_t forking_end(bool watched, pid_t pid)
{
    if (!watched)
        return pid;
    if (pid == 0) {
        boundary_enter();
        return pid;
    }
    share_fork_parent(pid);
    boundary_fork_end();
    return pid;
}

bool spawning_begin(void)
{
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
