#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "giveup.h"
#include "linger.h"
#include "share.h"
#include "summary.h"
#include "sys.h"

#include <linux/filter.h>

bool giveup_for_good(enum giveup reason)
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

bool giveup_by_filter(bool strict, unsigned long flags, const void *filter)
{
    struct sock_fprog program;
    const char *bytes = filter;

    if (strict)
        return flags == 0;
    if (flags > 0xff) /* more than there are */
        return false;
    /* A pointer of the program's; a bad one is its own error to make. */
    if (!bytes || !sys_readable(bytes) || !sys_readable(bytes + sizeof(program) - 8))
        return false;
    memcpy(&program, bytes, sizeof(program));
    return program.len > 0 && program.len <= BPF_MAXINSNS;
}

void giveup_undo(void)
{
    atomic_store(&process->ended, 0);
    linger_resume(config.mode == MODE_LINGER);
    boundary_resume();
}
