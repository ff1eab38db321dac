#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "giveup.h"
#include "linger.h"
#include "share.h"
#include "summary.h"
#include "sys.h"

#include <linux/filter.h>
#include <sys/uio.h>

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
    struct sock_fprog program = {0};
    struct iovec to = {&program, sizeof(program)};
    struct iovec from = {(void *)filter, sizeof(program)};

    if (strict)
        return flags == 0;
    if (flags > 0xff) /* more than there are */
        return false;
    return sys6(SYS_process_vm_readv, sys_getpid(), SYS_ARG(&to), 1, SYS_ARG(&from), 1, 0) ==
               sizeof(program) &&
           program.len > 0 && program.len <= BPF_MAXINSNS;
}

void giveup_undo(void)
{
    atomic_store(&process->ended, 0);
    linger_resume(config.mode == MODE_LINGER);
    boundary_resume();
}
