/* Where it begins: the constructor; and the handlers for the end of the process. */
#include "safeclose.h"

#include "doors/doors.h"
#include "doors/fork.h"
#include "doors/track.h"
#include "ground/boundary.h"
#include "ground/real.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "holders/rings.h"
#include "remedy/linger.h"
#include "report/ledger.h"
#include "report/sink.h"
#include "settings/config.h"
#include "settings/control.h"

/*
 * exit runs its handlers last come, first served, and no one registers before the constructor of a
 * preloaded library: so these run after the program's handlers and every destructor, and before
 * stdio is flushed. The kernel closes the rest right after.
 */
LIBC_AT_EXIT static void at_exit(LIBC_EXIT_PARAMETERS)
{
    exit_begin(VIA_EXIT, NULL);
}

static void at_quick(void)
{
    exit_begin(VIA_QUICK_EXIT, NULL);
}

static void in_child(bool seen_fork)
{
    family_fork_child(seen_fork);
    linger_fork_child();
    rings_fork_child();
}

__attribute__((constructor)) static void start(void)
{
    int saved_errno = errno;
    bool on;

    real_resolve();
    if (!real_is_ours()) {
        boundary_ready(false);
        errno = saved_errno;
        return;
    }
    config_read();
    control_start();
    on = (config.mode != MODE_OFF || config.controlled) && ledger_start();
    if (on) {
        real_find_clock(); /* each close asks it whether a summary is due */
        boundary_start(in_child);
        holders_start();
        sink_start();
        track_inherited();
        fork_start();
        libc_at_exit(at_exit);
        (void)at_quick_exit(at_quick); /* without it, that end goes unseen */
    }
    boundary_ready(on);
    errno = saved_errno;
}
