#include "safeclose.h"

#include "doors/standdown.h"
#include "ground/boundary.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "remedy/linger.h"
#include "report/summary.h"
#include "settings/config.h"
#include "settings/control.h"

static void tell(enum standdown reason)
{
    summary_write_early(reason == STANDDOWN_SECCOMP
                            ? "the program installs a seccomp filter"
                            : "a thread takes a descriptor table of its own");
}

enum standdown standdown_begin(enum standdown reason)
{
    bool stopped;

    if (!boundary_enter())
        return STANDDOWN_NONE;
    stopped = linger_stop(); /* and no other may start: it is not resumed */
    if (reason != STANDDOWN_UNSHARED)
        tell(reason);
    if (boundary_stand_down())
        return reason;
    linger_resume(stopped);
    return STANDDOWN_NONE;
}

long standdown_end(enum standdown reason, long ret)
{
    if (reason && ret < 0) {
        atomic_store(&process->summary_written, 0);
        linger_resume(mode_may_act());
        boundary_resume();
    } else if (reason) {
        family_distrust(); /* what it passes on from now on, nobody sees */
        if (reason == STANDDOWN_UNSHARED)
            tell(reason);
    }
    return ret;
}
