#include "safeclose.h"

#include "ground/rights.h"
#include "ground/sys.h"
#include "ground/wait.h"
#include "remedy/handing.h"
#include "remedy/lots.h"
#include "remedy/nudge.h"
#include "remedy/parcel.h"

#include <linux/futex.h>

#define SETTLE_WAIT_NS 100000000 /* most often 30 us */
#define SLICE_NS 5000000
#define NUDGE_AFTER_NS 50000000 /* a message gets there sooner, if it does */
#define MOMENT_NS 20000
#define PAGE 4096

/* At the beginning of what is mapped; the lots' own memory follows. */
struct lots {
    _Atomic int tids[BOUNDARY_LOTS]; /* 0 where there is none; by the kernel at a thread's end */
    _Atomic uint32_t ages[BOUNDARY_LOTS]; /* by the starter: which is the oldest */
    _Atomic uint32_t age;
    struct lot_control controls[BOUNDARY_LOTS];
    struct handings handings;
};

_Static_assert(sizeof(struct lots) <= PAGE, "the lots' memory follows on a page of its own");

static _Atomic(struct lots *) lots; /* mapped by the first starter of a family; emptied by fork */

static void *memory_of(struct lots *l, int i)
{
    return (char *)l + PAGE + (size_t)i * lot_size();
}

/* Where the kernel can't empty it in a fork child (before Linux 4.14) there are no lots. */
static struct lots *map_lots(void)
{
    long size = (long)(PAGE + BOUNDARY_LOTS * lot_size());
    struct lots *l = sys_map((size_t)size);

    if (!l)
        return NULL;
    if (sys3(SYS_madvise, SYS_ARG(l), size, MADV_WIPEONFORK) < 0) {
        sys2(SYS_munmap, SYS_ARG(l), size);
        return NULL;
    }
    boundary_set_lots(memory_of(l, 0), lot_size(), l->tids);
    handing_start(&l->handings);
    atomic_store(&lots, l);
    return l;
}

/* Waits in slices: at a thread's end the kernel wakes only one waiter, and none if it refuses futexes. False if the
 * word still has this value at the deadline. */
static bool await_change(_Atomic int *word, int value, int64_t deadline)
{
    const struct timespec slice = {0, SLICE_NS};

    while (atomic_load(word) == value) {
        if (wait_is_over(deadline))
            return false;
        sys6(SYS_futex, SYS_ARG(word), FUTEX_WAIT, value, SYS_ARG(&slice), 0, 0);
    }
    return true;
}

static bool await_end(struct lots *l, int i, int64_t deadline)
{
    int tid;

    while ((tid = atomic_load(&l->tids[i])) != 0)
        if (!await_change(&l->tids[i], tid, deadline))
            return false;
    return true;
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* A free place; -1 if all are taken, then the oldest lot is told to end. */
static int find_room(struct lots *l)
{
    int oldest = 0;

    for (int i = 0; i < BOUNDARY_LOTS; i++) {
        if (!atomic_load(&l->tids[i]))
            return i;
        if (atomic_load(&l->ages[i]) - atomic_load(&l->ages[oldest]) > UINT32_MAX / 2)
            oldest = i;
    }
    if (!atomic_exchange(&l->controls[oldest].stop, ENDED_EVICTED)) /* it may never answer */
        nudge(l->tids, oldest, NULL, NULL);
    return -1;
}

/* Nobody of this process feeds them any more. */
static void retire_all(struct lots *l)
{
    for (int i = 0; i < BOUNDARY_LOTS; i++)
        if (atomic_load(&l->tids[i]) && !atomic_exchange(&l->controls[i].finish, LOT_RETIRED))
            nudge(l->tids, i, NULL, NULL);
}

long lots_start(int feed, int log)
{
    struct lots *l = atomic_load(&lots);
    struct lot_control *control;
    long tid;
    int i;

    if (!l && !(l = map_lots()))
        return -ENOMEM;
    retire_all(l);
    i = find_room(l);
    if (i < 0)
        return 0;
    control = &l->controls[i];
    memset(control, 0, sizeof(*control));
    atomic_store(&control->welcome, 1);
    atomic_store(&l->ages[i], atomic_fetch_add(&l->age, 1));
    tid = lot_start(memory_of(l, i), control, &l->tids[i], feed, log);
    if (tid < 0)
        return tid;
    atomic_store(&control->thread, (int)tid);
    /* Until it has let go of its copy of the table, nothing that the program closes is closed: not a
     * listener, whose port is wanted again, nor what somebody waits on for an end. */
    await_change(&control->phase, LOT_STARTING, wait_now_ns() + SETTLE_WAIT_NS);
    return atomic_load(&control->phase) == LOT_FAILED ? -ENOSYS : tid;
}

/* ---- Watching -------------------------------------------------------------------------------- */

struct lot_control *lots_find(int tid)
{
    struct lots *l = atomic_load(&lots);

    for (int i = 0; l && i < BOUNDARY_LOTS; i++)
        if (atomic_load_explicit(&l->controls[i].thread, memory_order_relaxed) == tid)
            return &l->controls[i];
    return NULL;
}

bool lots_live(void)
{
    struct lots *l = atomic_load(&lots);

    for (int i = 0; l && i < BOUNDARY_LOTS; i++)
        if (atomic_load(&l->tids[i]))
            return true;
    return false;
}

bool lots_busy(void)
{
    struct lots *l = atomic_load(&lots);

    for (int i = 0; l && i < BOUNDARY_LOTS; i++) {
        const struct lot_control *control = &l->controls[i];

        if (atomic_load(&l->tids[i]) &&
            (atomic_load(&control->busy) ||
             atomic_load(&control->sent) != atomic_load(&control->taken)))
            return true;
    }
    return false;
}

void lots_hurry(struct lot_control *lot)
{
    int napping = 1;

    if (atomic_compare_exchange_strong(&lot->napping, &napping, 0))
        sys3(SYS_futex, SYS_ARG(&lot->napping), FUTEX_WAKE, 1);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* The message reaches one lot; all must look. */
static void wake_all(struct lots *l, int feed)
{
    if (feed >= 0)
        parcel_wake(feed);
    for (int i = 0; i < BOUNDARY_LOTS; i++)
        lots_hurry(&l->controls[i]);
}

/* Those that no message reaches are nudged. */
static bool await_all(struct lots *l, int64_t deadline)
{
    int64_t nudge_at = wait_now_ns() + NUDGE_AFTER_NS;

    for (int i = 0; i < BOUNDARY_LOTS; i++) {
        while (!await_end(l, i, nudge_at < deadline ? nudge_at : deadline)) {
            if (wait_is_over(deadline))
                return false;
            nudge(l->tids, i, NULL, NULL);
            nudge_at = wait_now_ns() + NUDGE_AFTER_NS;
        }
    }
    return true;
}

bool lots_end(int feed, int reason, int64_t deadline, bool surely)
{
    struct lots *l = atomic_load(&lots);
    bool ended;

    if (!l)
        return true;
    for (struct lot_control *c = l->controls; c < l->controls + BOUNDARY_LOTS; c++)
        atomic_store(reason ? &c->stop : &c->finish, reason ? reason : LOT_PROCESS_EXITS);
    wake_all(l, feed);
    ended = await_all(l, deadline);
    for (int i = 0; surely && i < BOUNDARY_LOTS; i++)
        while (atomic_load(&l->tids[i])) {
            nudge(l->tids, i, nudge_end, NULL);
            wait_ns(MOMENT_NS);
        }
    nudge_await();
    return ended;
}

/* A thread clears its id a moment before the kernel ceases to count it. No lot lives. */
void lots_await_burial(int64_t deadline)
{
    struct lots *l = atomic_load(&lots);

    for (int i = 0; l && i < BOUNDARY_LOTS; i++) {
        int tid = atomic_exchange(&l->controls[i].thread, 0); /* another thread may get it */

        while (tid && nudge_finds(tid) && !wait_is_over(deadline))
            wait_ns(MOMENT_NS);
    }
}

/* ---- Rights ---------------------------------------------------------------------------------- */

/* In the lot's thread. */
static void follow(int lot, const long *call)
{
    sys3(call[0], call[1], call[2], call[3]);
    rights_ask(&atomic_load(&lots)->controls[lot].rights);
}

/* A lot whose thread has not said what rights it has (known) has not made the call. */
bool lots_follow(const long call[4])
{
    struct lots *l = atomic_load(&lots);

    for (int i = 0; l && i < BOUNDARY_LOTS; i++) {
        struct rights *rights = &l->controls[i].rights;
        uint32_t before[RIGHTS_WORDS];

        if (!atomic_load(&l->tids[i]))
            continue;
        memcpy(before, rights->words, sizeof(before));
        rights->known = 0;
        nudge(l->tids, i, follow, call);
        if (atomic_load(&l->tids[i]) && !rights_can_return(rights, before))
            return false;
    }
    return true;
}

bool lots_agree(void)
{
    struct lots *l = atomic_load(&lots);
    struct rights own;

    if (!lots_live())
        return true;
    rights_ask(&own);
    for (int i = 0; i < BOUNDARY_LOTS; i++)
        if (atomic_load(&l->tids[i]) && !rights_equal(&own, &l->controls[i].rights))
            return false;
    return true;
}
