/* What a program does to itself that ends our work in it (doors/standdown.h). */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "ground/real.h"
#include "ground/sys.h"
#include "holders/threads.h"
#include "remedy/linger.h"
#include "report/event_json.h"
#include "report/sink.h"
#include "settings/config.h"
#include "settings/control.h"
#include "tcp/diag.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>

/* Whether a call that installs this seccomp filter, or the strict mode, can succeed: programs ask
 * with NULL and the like whether the kernel has filters at all. filter is the program's memory, and
 * read as the kernel would. */
static bool is_valid_filter(bool strict, unsigned long flags, const void *filter)
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

enum standdown sandbox_filter_begin(unsigned long operation, unsigned long flags,
                                    const void *filter)
{
    bool strict = operation == SECCOMP_SET_MODE_STRICT;

    if ((strict || operation == SECCOMP_SET_MODE_FILTER) && boundary_enter() &&
        is_valid_filter(strict, flags, filter))
        return standdown_begin(STANDDOWN_SECCOMP);
    return STANDDOWN_NONE;
}

/* prctl counts the modes from 1, seccomp the operations from 0. */
enum standdown sandbox_prctl_begin(int option, unsigned long mode, const void *filter)
{
    if (option != PR_SET_SECCOMP)
        return STANDDOWN_NONE;
    return sandbox_filter_begin(mode - SECCOMP_MODE_STRICT + SECCOMP_SET_MODE_STRICT, 0, filter);
}

struct unsharing sandbox_unshare_begin(int flags)
{
    struct unsharing u = {STANDDOWN_NONE, false};

    if (!boundary_enter())
        return u;
    if (flags & CLONE_FILES && !real_single_threaded())
        u.reason = standdown_begin(STANDDOWN_UNSHARED);
    if (flags & CLONE_NEWNET) {
        event_json_moved();
        diag_lose();
    }
    u.stopped = alone_begin();
    return u;
}

long sandbox_unshare_end(struct unsharing u, long ret)
{
    return standdown_end(u.reason, alone_end(u.stopped, ret));
}

/* The log's name means something else there. Only a remedy looks at threads. */
void sandbox_chroot_begin(void)
{
    if (!boundary_enter())
        return;
    sink_open();
    if (mode_may_act())
        threads_keep_tasks();
}

/* The kernel forgets who is to be notified when any descriptor of the queue is closed by the
 * process, and the lot's thread begins with copies of all, which it closes. So there is none from
 * here on. */
long sandbox_notify_end(bool stopped, long ret)
{
    linger_resume(stopped && ret < 0);
    return ret;
}
