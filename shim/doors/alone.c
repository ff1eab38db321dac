/*
 * Before these calls our thread must end, or must make the same change of rights. libc carries such a change to
 * all threads that it knows. It does not know the lot's thread, which would keep the old rights
 * (remedy/linger.c). The kernel refuses some forms of unshare and setns to a process with several threads. An
 * exec ends the lot anyway; here it ends in order.
 */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "remedy/linger.h"
#include "report/event.h"
#include "report/ledger.h"
#include "report/sink.h"
#include "settings/config.h"
#include "tcp/diag.h"

bool alone_begin(void)
{
    return linger_stop();
}

long alone_end(bool stopped, long ret)
{
    linger_resume(stopped);
    return ret;
}

/* Opens the log before, because it may be impossible afterwards. */
struct linger_change rights_begin(long number, long a, long b, long c)
{
    const long call[4] = {number, a, b, c};

    if (boundary_enter())
        sink_open();
    return linger_change_begin(number ? call : NULL);
}

/* The socket that asks the kernel must not outlive the rights that it was opened with. */
long rights_end(struct linger_change change, long ret)
{
    if (ret == 0 && ledger_check_rights()) {
        diag_lose();
        if (atomic_load(&process->greeted) & TELLS && config.log != LOG_NONE &&
            boundary_single_threaded())
            diag_prepare(); /* others do it at their next accept */
    }
    linger_change_end(change);
    return ret;
}
