/*
 * The ends of a process that run no handler. exit and quick_exit are seen by the handlers that the
 * constructor registers (start.c).
 */
#include "../safeclose.h"

#include "../boundary.h"
#include "../closing.h"
#include "../linger.h"
#include "../real.h"
#include "../summary.h"

/* Not in a vfork child: everything there is its parent's. */
static void ending(enum via via, const void *call_site)
{
    if (!boundary_enter())
        return;
    closing_all(via, call_site);
    linger_wait();
    summary_write();
}

EXPORT _Noreturn void _exit(int status)
{
    ending(VIA_EXIT_NOW, __builtin_return_address(0));
    real__exit(status);
}

EXPORT _Noreturn void _Exit(int status)
{
    ending(VIA_EXIT_C99, __builtin_return_address(0));
    real__Exit(status);
}
