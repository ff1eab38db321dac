#include "safeclose.h"

#include "doors/giveup.h"
#include "ground/boundary.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "remedy/linger.h"
#include "report/summary.h"
#include "settings/config.h"
#include "settings/control.h"

static void tell(enum giveup reason)
{
    summary_write_early(reason == GIVEUP_SECCOMP ? "the program installs a seccomp filter"
                                                 : "a thread takes a descriptor table of its own");
}

enum giveup giveup_begin(enum giveup reason)
{
    bool stopped;

    if (!boundary_enter())
        return GIVEUP_NOTHING;
    stopped = linger_stop(); /* and no other may start: it is not resumed */
    if (reason != GIVEUP_UNSHARED)
        tell(reason);
    if (boundary_give_up())
        return reason;
    linger_resume(stopped);
    return GIVEUP_NOTHING;
}

long giveup_end(enum giveup reason, long ret)
{
    if (reason && ret < 0) {
        atomic_store(&process->ended, 0);
        linger_resume(mode_may_act());
        boundary_resume();
    } else if (reason) {
        family_distrust(); /* what it passes on from now on, nobody sees */
        if (reason == GIVEUP_UNSHARED)
            tell(reason);
    }
    return ret;
}
