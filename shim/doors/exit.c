/*
 * The end of the process. _exit, _Exit and exit_group come here by their hooks, exit and quick_exit
 * by the handlers that the constructor registers (start.c).
 */
#include "safeclose.h"

#include "doors/closing.h"
#include "doors/doors.h"
#include "ground/boundary.h"
#include "holders/holders.h"
#include "remedy/linger.h"
#include "remedy/streams.h"
#include "report/summary.h"
#include "settings/control.h"
#include "tcp/pending.h"

/* Not in a vfork child: everything there is its parent's. Only exit flushes stdio afterwards. */
void exit_begin(enum via via, const void *call_site)
{
    enum mode mode = mode_now();
    bool is_over = via != VIA_EXIT; /* no handler, and no stream of libc's, writes after us */

    if (!boundary_enter())
        return;
    if (via == VIA_EXIT)
        is_over = streams_flush(mode);
    if (is_over)
        holders_end();
    closing_all(via, call_site, mode);
    pending_end();
    linger_wait();
    summary_write();
}
