#include "safeclose.h"

#include "tcp/first_use.h"

#include "ground/boundary.h"
#include "ground/signals.h"
#include "ground/wait.h"
#include "report/event.h"
#include "report/ledger.h"
#include "report/sink.h"
#include "settings/config.h"
#include "settings/control.h"
#include "tcp/diag.h"

/* Opens the log, and the socket for questions. Both take a high number, and in a program with threads the kernel
 * needs milliseconds to make its table larger. Other threads wait for that: otherwise their closes would be
 * unconfirmed, and their events would find no log. */
static void prepare(bool asks)
{
    static _Atomic int preparer; /* the process in which a thread is at it */
    int pid = atomic_load(&process->pid);
    int last = atomic_load(&preparer);
    uint64_t before = 0;
    bool blocked = signals_block(&before);

    if (last != pid && atomic_compare_exchange_strong(&preparer, &last, pid)) {
        sink_open();
        if (asks && config.log != LOG_NONE)
            diag_prepare();
        event_announce();
        atomic_store(&preparer, 0);
    } else {
        wait_for(&preparer, pid);
    }
    if (blocked)
        signals_restore(before);
}

static void use(bool opens)
{
    int wanted = mode_now() == MODE_OFF ? USES_TCP : USES_TCP | TELLS;
    int before = atomic_load_explicit(&process->greeted, memory_order_relaxed);

    if ((before & wanted) == wanted) {
        if (opens && before & TELLS && config.log != LOG_NONE && !diag_is_settled())
            prepare(true); /* the program has closed it */
        return;
    }
    if (!boundary_is_ours())
        return;
    before = atomic_fetch_or(&process->greeted, USES_TCP);
    if (!(before & USES_TCP))
        ledger_join();
    if (wanted == USES_TCP)
        return;
    prepare(opens);
    atomic_fetch_or(&process->greeted, TELLS);
}

void first_use(void)
{
    use(false);
}

void first_use_opening(void)
{
    use(true);
}
