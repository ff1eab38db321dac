/* What a program does to itself that ends our work in it (doors/standdown.h). */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"
#include "ground/real_late.h"

#include <mqueue.h>
#include <sched.h>
#include <sys/prctl.h>

/* Four more, whatever the option takes; those not passed are read as rubbish and ignored by the
 * kernel. */
EXPORT int prctl(int option, ...)
{
    va_list args;
    unsigned long a[4];
    enum standdown reason;

    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    reason = sandbox_prctl_begin(option, a[0], (const void *)a[1]);
    return (int)standdown_end(reason, real_prctl(option, a));
}

EXPORT int unshare(int flags)
{
    struct unsharing u = sandbox_unshare_begin(flags);

    return (int)sandbox_unshare_end(u, real_unshare(flags));
}

EXPORT int chroot(const char *path)
{
    sandbox_chroot_begin();
    return real_chroot(path);
}

EXPORT int setns(int fd, int type)
{
    struct unsharing u = sandbox_unshare_begin(CLONE_NEWNET);

    return (int)sandbox_unshare_end(u, real_setns(fd, type));
}

EXPORT int mq_notify(mqd_t queue, const struct sigevent *event)
{
    bool stopped = alone_begin();

    return (int)sandbox_notify_end(stopped, real_mq_notify(queue, event));
}
