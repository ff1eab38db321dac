/* Whether this process has a lot: its start, and its end. */
#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/error.h"
#include "ground/signals.h"
#include "ground/sys.h"
#include "ground/wait.h"
#include "holders/family.h"
#include "holders/threads.h"
#include "remedy/feed.h"
#include "remedy/linger.h"
#include "remedy/lots.h"
#include "remedy/nudge.h"
#include "remedy/parcel.h"
#include "report/sink.h"
#include "settings/config.h"
#include "settings/control.h"

#define RETRY_NS 1000000000
#define STOP_WAIT_NS 2000000000
#define MOMENT_NS 20000

/* Of this process; a fork child begins with its parent's values. */
static _Atomic bool starting; /* a thread starts a lot; it, and it alone where it finds false */
static _Atomic int barred;    /* above 0: none may be started; linger_stop, linger_resume */
static _Atomic int64_t
    not_before;              /* after a failure: when to try again; by the thread that failed */
static _Atomic bool limited; /* linger_limited */

bool linger_owns(int fd)
{
    return feed_owns(fd) || threads_own(fd);
}

/* ---- Starting -------------------------------------------------------------------------------- */

struct lot_control *linger_own_lot(uint64_t target)
{
    int tid = feed_own_thread(target);
    struct lot_control *lot = tid ? lots_find(tid) : NULL;

    return lot && atomic_load_explicit(&lot->welcome, memory_order_relaxed) ? lot : NULL;
}

/* As far as is known: that a parent's lot has ended shows only at its use. A parent's lot can't look at this
 * process's threads. */
static bool is_fed(bool threads)
{
    uint64_t target = feed_target();

    return target && (linger_own_lot(target) || (!feed_own_thread(target) && !threads));
}

static long start_fed_by(const int pair[2])
{
    uint64_t mark = feed_mark(pair[0]);
    long tid = mark ? lots_start(pair[1], sink_descriptor()) : -ENOSYS;

    sys1(SYS_close, pair[1]);
    if (tid > 0)
        feed_keep(pair[0], mark);
    else
        sys1(SYS_close, pair[0]);
    return tid > 0 && feed_number() < 0 ? -EMFILE : tid; /* the lot ends without a feed */
}

/* The thread of a new lot, for feed_lead; or as lots_start. A child that was forked meanwhile may have the end that
 * parcels come from, so this lot gets none. */
static long start_now(void)
{
    uint64_t forked = family_forked();
    int pair[2];
    long tid;

    if (forked == UINT64_MAX) /* a fork is under way */
        return 0;
    tid = parcel_pair(pair) ? start_fed_by(pair) : -EMFILE;
    if (tid > 0 && forked != family_forked())
        tid = 0;
    if (tid <= 0)
        atomic_store(&not_before, wait_now_ns() + RETRY_NS);
    return tid;
}

/* Once in a family. */
static void tell_failure(long err)
{
    struct line *line = NULL;

    if (atomic_load(&process->greeted) & TELLS && !atomic_exchange(&ledger->lot_failed, 1))
        line = event_problem_begin();
    if (!line)
        return;
    text_put(&line->text, "can't start the library's thread: %s%s", error_text(err),
             err == EAGAIN ? " (RLIMIT_NPROC?)" : "");
    event_problem_end(line);
}

/* Another thread may be about to start one. Its signals are blocked, so it does get done. */
static void await_starter(void)
{
    while (atomic_load(&starting))
        wait_ns(MOMENT_NS);
}

/* Starts a lot, one thread at a time, unless it is barred more often than bars. Signals are blocked: a handler might
 * never return here. The new thread inherits the mask. */
static int start_unless(int bars, bool threads)
{
    uint64_t before = 0;
    long tid = 0;

    if (!boundary_is_ours() || !signals_block(&before))
        return 0;
    if (!atomic_exchange(&starting, true)) {
        if (atomic_load(&barred) <= bars && !is_fed(threads))
            tid = start_now();
        if (tid > 0 && bars == 0)
            feed_lead((int)tid);
        atomic_store(&starting, false);
    }
    signals_restore(before);
    await_starter(); /* who was faster */
    if (tid < 0)
        tell_failure(-tid);
    return tid > 0 ? (int)tid : 0;
}

static void prepare(bool threads, enum mode mode)
{
    if (mode < (threads ? MODE_DRAIN : MODE_LINGER) || is_fed(threads))
        return;
    if (atomic_load(&starting)) /* here rather than in a close that needs it */
        await_starter();
    else if (wait_now_ns() >= atomic_load(&not_before))
        start_unless(0, threads);
}

void linger_prepare(bool threads)
{
    prepare(threads, mode_now());
}

void linger_limited(void)
{
    atomic_store(&limited, true);
}

/* All of haproxy's threads set the limit at a time: while one starts the lot the others wait. */
void linger_prepare_limited(void)
{
    if (!atomic_load(&limited))
        return;
    prepare(boundary_likely_threads(), config.controlled ? MODE_LINGER : config.mode);
}

void linger_retry(void)
{
    atomic_store(&not_before, 0);
}

/* A thread of the parent that was starting a lot during the fork is not in this process. */
void linger_fork_child(void)
{
    atomic_store(&starting, false);
    atomic_store(&barred, 0);
    nudge_fork_child();
    threads_fork_child();
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* The feed's number if it leads to a lot of this process; else -1. */
static int own_feed(void)
{
    return linger_own_lot(feed_target()) ? feed_number() : -1;
}

static bool end(int reason, int64_t wait, bool surely)
{
    return lots_end(own_feed(), reason, wait_now_ns() + wait, surely);
}

void linger_wait(void)
{
    if (!boundary_lot() && lots_live() && !end(LOTS_WHEN_EMPTY, config.exit_wait, false))
        end(ENDED_EXIT, STOP_WAIT_NS, false);
}

static void end_all(void)
{
    end(ENDED_STOPPED, STOP_WAIT_NS, true);
    lots_await_burial(wait_now_ns() + STOP_WAIT_NS);
}

/* No lot may be started from now on. False if there is nothing to bar. */
static bool bar(void)
{
    if (!mode_may_act() || !boundary_enter())
        return false;
    atomic_fetch_add(&barred, 1);
    await_starter(); /* which looks whether it is barred after it says that it starts */
    return true;
}

bool linger_stop(void)
{
    if (!bar())
        return false;
    end_all();
    return true;
}

/* If a handler forked within the call, the child's count begins at 0. */
static void unbar(void)
{
    int bars = atomic_load(&barred);

    while (bars > 0 && !atomic_compare_exchange_weak(&barred, &bars, bars - 1))
        ;
}

void linger_resume(bool stopped)
{
    if (stopped)
        unbar();
}

/* A lot that holds nothing is not worth the signal, unless there may never be another. */
struct linger_change linger_change_begin(const long call[4])
{
    struct linger_change change = {.began = bar()};
    bool last = atomic_load(&limited);

    if (!change.began)
        return change;
    if (!boundary_is_ours()) /* a clone that runs in our memory: it has rights of its own */
        call = NULL;
    if (call && (last || lots_busy()) && lots_follow(call))
        return change;
    change.had_lot = last && linger_own_lot(feed_target());
    end_all();
    if (change.had_lot && call) {
        feed_lose(feed_target());
        change.ahead = start_unless(1, boundary_likely_threads());
        lots_follow(call);
    }
    return change;
}

void linger_change_end(struct linger_change change)
{
    if (!change.began)
        return;
    if (!lots_agree())
        end_all();
    else if (change.ahead)
        feed_lead(change.ahead);
    unbar();
    if (change.had_lot)
        linger_prepare_limited();
}
