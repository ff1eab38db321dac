/* What a program does to itself that ends our work in it (giveup.h). */
#include "../safeclose.h"

#include "../boundary.h"
#include "../event_json.h"
#include "../giveup.h"
#include "../linger.h"
#include "../real.h"

#include <linux/seccomp.h>
#include <mqueue.h>
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
    bool stopped;
    int ret;

    if (flags & CLONE_FILES && boundary_enter() && !real_single_threaded())
        giveup_for_good(GIVEUP_UNSHARED);
    stopped = linger_stop(); /* of several threads the kernel refuses some of these */
    if (flags & CLONE_NEWNET)
        event_json_moved();
    ret = real_unshare(flags);
    linger_resume(stopped);
    return ret;
}

/* The kernel forgets who is to be notified when any descriptor of the queue is closed by the
 * process, and the lot's thread begins with copies of all, which it closes. */
EXPORT int mq_notify(mqd_t queue, const struct sigevent *event)
{
    if (boundary_enter())
        linger_forbid();
    return real_mq_notify(queue, event);
}

EXPORT int setns(int fd, int type)
{
    bool stopped = linger_stop();
    int ret;

    event_json_moved();
    ret = real_setns(fd, type);
    linger_resume(stopped);
    return ret;
}
