#include "../safeclose.h"

#include "../boundary.h"
#include "../config.h"
#include "../linger.h"
#include "../share.h"
#include "../summary.h"
#include "giveup.h"

bool giveup_begin(enum giveup reason)
{
    static const char *const reasons[] = {
        [GIVEUP_SECCOMP] = "the program installs a seccomp filter",
        [GIVEUP_UNSHARED] = "a thread takes a descriptor table of its own",
    };

    if (!boundary_enter())
        return false;
    linger_stop();    /* and no other may start: it is not resumed */
    share_distrust(); /* what it forks or passes from now on, nobody sees */
    summary_write_early(reasons[reason]);
    return boundary_give_up();
}

long giveup_end(bool gave_up, long ret)
{
    if (gave_up && ret < 0) {
        atomic_store(&process->ended, 0);
        linger_resume(config.mode == MODE_LINGER);
        boundary_resume();
    }
    return ret;
}
