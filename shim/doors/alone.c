/*
 * Calls that must find the process without our thread. libc carries a change of rights to all
 * threads that it knows, and the lot's is none of them: a thread of ours would keep rights that the
 * program has dropped. Of several threads the kernel refuses some of unshare and setns. An exec
 * ends the lot anyway; here it ends in order.
 */
#include "safeclose.h"

#include "remedy/linger.h"
#include "doors/doors.h"

bool alone_begin(void)
{
    return linger_stop();
}

long alone_end(bool stopped, long ret)
{
    linger_resume(stopped);
    return ret;
}
