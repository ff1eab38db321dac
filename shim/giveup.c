#include "safeclose.h"

#include "boundary.h"
#include "giveup.h"
#include "share.h"
#include "summary.h"

bool giveup_for_good(enum giveup reason)
{
    static const char *const reasons[] = {
        [GIVEUP_SECCOMP] = "the program installs a seccomp filter",
        [GIVEUP_UNSHARED] = "a thread takes a descriptor table of its own",
    };

    if (!boundary_enter())
        return false;
    share_distrust(); /* what it forks or passes from now on, nobody sees */
    summary_write_early(reasons[reason]);
    return boundary_give_up();
}

void giveup_undo(void)
{
    atomic_store(&process->ended, 0);
    boundary_resume();
}
