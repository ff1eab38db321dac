/* How programs are started: they keep every descriptor that is not close-on-exec. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "report/ledger.h"

/* The numbers that file actions copy from: the started program keeps what stands there, close-on-exec or not. A bit
 * is never cleared; the last one stands for all higher numbers. */
#define PREPARED 1024
static _Atomic uint8_t prepared[PREPARED / 8 + 1]; /* a bit each */

void spawn_prepared(int fd)
{
    if (fd >= 0)
        atomic_fetch_or(&prepared[fd < PREPARED ? fd / 8 : PREPARED / 8], (uint8_t)(1 << fd % 8));
}

static void lose_prepared(void)
{
    for (int fd = 0; fd < PREPARED; fd++)
        if (prepared[fd / 8] & 1 << fd % 8)
            holders_lose(fd);
    if (prepared[PREPARED / 8])
        holders_lose_all();
}

bool spawn_begin(const posix_spawn_file_actions_t *actions)
{
    bool watched = boundary_enter();

    if (!watched && !boundary_vfork_child())
        return false;
    if (actions)
        lose_prepared();
    if (watched)
        boundary_spawn_begin();
    holders_lose_kept();
    return watched;
}

/* What a vfork child executes keeps the connections of its parent, in whose memory it runs. So there, and beside other
 * threads, what is lost stays lost if the exec fails. */
struct exec exec_begin(void)
{
    struct exec exec = {.stopped = alone_begin()};
    bool ours = boundary_enter() && boundary_is_ours();

    exec.marked = ours && family_exec_begin();
    exec.undoable = exec.marked && boundary_single_threaded();
    if (exec.undoable)
        holders_exec_begin();
    else if (boundary_watches())
        holders_lose_kept();
    if (ours)
        ledger_exec_begin();
    return exec;
}

long exec_failed(struct exec exec, long ret)
{
    if (exec.undoable)
        holders_exec_failed();
    if (exec.marked)
        family_exec_failed();
    if (boundary_enter() && boundary_is_ours())
        ledger_exec_failed();
    return alone_end(exec.stopped, ret);
}

/* Once more, for what other threads have created meanwhile. */
long spawn_end(bool watched, long ret)
{
    if (watched) {
        holders_lose_kept();
        boundary_spawn_end();
    }
    return ret;
}
