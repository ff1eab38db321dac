#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/pid.h"
#include "ground/rights.h"
#include "ground/sys.h"
#include "holders/family.h"
#include "report/ledger.h"

struct ledger *ledger; /* constructor; what is there may be another one later */
static _Atomic uint64_t too_early;
static uint32_t rights[6]; /* ids with which it was begun */

static void ask_rights(uint32_t ids[6])
{
    memset(ids, 0, sizeof(rights));
    rights_ask_ids(ids);
    ids[1] = ids[4] = 0; /* who takes on another's for a moment can take them back */
}

void ledger_too_early(void)
{
    bump(&too_early);
}

bool ledger_start(void)
{
    ledger = sys_map_shared(sizeof(struct ledger));
    ask_rights(rights);
    if (ledger)
        atomic_store(&ledger->counts.too_early, atomic_load(&too_early));
    return ledger;
}

/* Nobody else would report what a family of one process has counted. */
static void take_along(struct ledger *own)
{
    uint64_t closes = atomic_load(&ledger->counts.closes);

    if (atomic_exchange(&ledger->closes_at_end, closes + 1) != closes + 1)
        memcpy((void *)&own->counts, (const void *)&ledger->counts, sizeof(own->counts));
}

/* What was announced is not announced again. Without memory this process counts only in its own copy. */
bool ledger_check_rights(void)
{
    uint32_t now[6];
    struct ledger *own;

    if (!boundary_enter())
        return false;
    ask_rights(now);
    if (memcmp(now, rights, sizeof(now)) == 0)
        return false;
    own = sys_map_shared(sizeof(struct ledger));
    if (!own)
        return true; /* asked again at the next change */
    memcpy(rights, now, sizeof(now));
    atomic_store(&own->announced, atomic_load(&ledger->announced));
    atomic_store(&own->second, atomic_load(&ledger->second));
    atomic_store(&own->so_far_at, atomic_load(&ledger->so_far_at));
    memcpy((void *)own->sites, (const void *)ledger->sites, sizeof(own->sites));
    if (atomic_load(&process->greeted) && ledger_leave())
        take_along(own);
    sys6(SYS_mremap, SYS_ARG(own), sizeof(*own), sizeof(*own), MREMAP_MAYMOVE | MREMAP_FIXED,
         SYS_ARG(ledger), 0);
    if (atomic_load(&process->greeted))
        ledger_join();
    return true;
}

static bool put_member(int was, int pid, int from)
{
    for (int i = from; i < LEDGER_MEMBERS; i++) {
        int expected = was;

        if (atomic_load_explicit(&ledger->members[i], memory_order_relaxed) == was &&
            atomic_compare_exchange_strong(&ledger->members[i], &expected, pid))
            return true;
    }
    return false;
}

void ledger_join(void)
{
    int pid = atomic_load(&process->pid);

    for (int i = 0; !put_member(0, pid, 0) && i < LEDGER_MEMBERS; i++) {
        int other = atomic_load(&ledger->members[i]);

        if (pid_is_gone(other))
            atomic_compare_exchange_strong(&ledger->members[i], &other, 0);
    }
}

void ledger_exec_begin(void)
{
    if (atomic_load(&process->greeted))
        put_member(atomic_load(&process->pid), 0, 0);
}

void ledger_exec_failed(void)
{
    if (atomic_load(&process->greeted))
        ledger_join();
}

bool ledger_leave(void)
{
    put_member(atomic_load(&process->pid), 0, 0);
    for (int i = 0; i < LEDGER_MEMBERS; i++) {
        int other = atomic_load_explicit(&ledger->members[i], memory_order_relaxed);

        if (other && !pid_is_gone(other))
            return false;
    }
    return true;
}

bool ledger_claim(uint64_t cookie)
{
    _Atomic uint64_t *claim = &ledger->claims[cookie % LEDGER_CLAIMS];

    return !cookie || atomic_exchange(claim, cookie) != cookie;
}
