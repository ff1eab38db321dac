/*
 * Calls that must find the process without our thread. libc carries a change of rights to all
 * threads that it knows, and the lot's is none of them: a thread of ours would keep rights that the
 * program has dropped. Of several threads the kernel refuses some of unshare and setns. An exec
 * ends the lot anyway; here it ends in order.
 */
#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "remedy/linger.h"
#include "report/ledger.h"
#include "sink.h"
#include "tcp/diag.h"
#include "doors/doors.h"

bool alone_begin(void)
{
    if (boundary_enter()) {
        sink_open(); /* with the rights and the root of now */
        diag_lose();
    }
    return linger_stop();
}

long alone_end(bool stopped, long ret)
{
    linger_resume(stopped);
    if (ret == 0)
        ledger_check_rights();
    if (boundary_enter() && boundary_single_threaded() && atomic_load(&process->greeted) &&
        config.log != LOG_NONE)
        diag_prepare(); /* with the rights of now; a close of a program with threads can't */
    return ret;
}
