/* What a program does to itself that ends our work in it (giveup.h). */
#include "../safeclose.h"

#include "../boundary.h"
#include "../giveup.h"
#include "../real.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>

/* Four more, whatever the option takes; those not passed are read as rubbish and ignored by the
 * kernel. */
EXPORT int prctl(int option, ...)
{
    va_list args;
    unsigned long a[4];
    bool gives_up;
    int ret;

    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    gives_up = option == PR_SET_SECCOMP &&
               giveup_by_filter(a[0] == SECCOMP_MODE_STRICT, 0, (const void *)a[1]) &&
               giveup_for_good(GIVEUP_SECCOMP);
    ret = real_prctl(option, a);
    if (gives_up && ret < 0)
        giveup_undo();
    return ret;
}

EXPORT int unshare(int flags)
{
    if (flags & CLONE_FILES && boundary_enter() && !real_single_threaded())
        giveup_for_good(GIVEUP_UNSHARED);
    return real_unshare(flags);
}
