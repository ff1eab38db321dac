#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/clock.h"
#include "ground/sys.h"
#include "report/ledger.h"
#include "report/summary.h"
#include "settings/config.h"
#include "settings/control.h"
#include "tcp/diag.h"
#include "tcp/outcome.h"
#include "tcp/pending.h"

#define RECORDS 128 /* one close_range may need as many as the limit of events allows */
#define AGAIN_NS (10 * (NS_PER_S / 1000)) /* what is held is asked about so often */
#define ASKED_MOST 4                      /* of them, at a time */
#define SURE_NS                                                                                    \
    (60 * NS_PER_S) /* TIME_WAIT: for so long an orderly end leaves something to be found */

enum { FREE, BUSY, CLOSING, HELD };

struct record {
    _Atomic int state;
    int tid;     /* whose close it is */
    bool others; /* another process may hold it, and read it */
    bool
        unsure; /* the peer had ended: if another holder has read it empty, it may have been closed in order, and leave nothing */
    struct diag_answer before;
    struct verdict last;
    struct diag_key key;
    struct event event;
    struct stack stack; /* of what is held */
    uint8_t preview[CONFIG_PREVIEW_MAX];
};

struct records {
    _Atomic int held;
    _Atomic unsigned next; /* which of them is next */
    _Atomic int64_t asked; /* when what is held was asked about last */
    struct record at[RECORDS];
};

static _Atomic(struct records *) records; /* mapped for the first; wiped by fork */
static PER_THREAD int added;              /* by this thread, and not told */

static struct records *get_records(void)
{
    const size_t size = sizeof(struct records);
    struct records *mapped = atomic_load(&records);
    struct records *none = NULL;

    if (mapped)
        return mapped;
    mapped = sys_map(size);
    if (mapped && sys3(SYS_madvise, SYS_ARG(mapped), (long)size, MADV_WIPEONFORK) == 0 &&
        atomic_compare_exchange_strong(&records, &none, mapped))
        return mapped;
    if (mapped)
        sys2(SYS_munmap, SYS_ARG(mapped), (long)size);
    return none;
}

static bool move(struct record *r, int from, int to)
{
    return atomic_load_explicit(&r->state, memory_order_relaxed) == from &&
           atomic_compare_exchange_strong(&r->state, &from, to);
}

/* Whether its thread was cancelled in its close. */
static bool is_left_behind(const struct record *r)
{
    return sys3(SYS_tgkill, atomic_load(&process->pid), r->tid, 0) == -ESRCH;
}

/* A free record; else one that its thread has left behind; else the one that has been held for longest, which is then
 * forgotten. */
static struct record *claim(struct records *all)
{
    struct record *oldest = NULL;

    for (int i = 0; i < RECORDS; i++) {
        struct record *r = &all->at[i];

        if (move(r, FREE, BUSY))
            return r;
        if (atomic_load(&r->state) == HELD && (!oldest || r->event.at.mono < oldest->event.at.mono))
            oldest = r;
    }
    for (int i = 0; i < RECORDS; i++)
        if (atomic_load(&all->at[i].state) == CLOSING && is_left_behind(&all->at[i]) &&
            move(&all->at[i], CLOSING, BUSY))
            return &all->at[i];
    if (!oldest || !move(oldest, HELD, BUSY))
        return NULL;
    atomic_fetch_sub(&all->held, 1);
    bump(&ledger->counts.forgotten);
    return oldest;
}

bool pending_add(const struct event *e, const struct verdict *last, bool others)
{
    struct records *all = get_records();
    struct record *r = all ? claim(all) : NULL;

    if (!r)
        return false;
    r->tid = sys_gettid();
    r->others = others;
    r->unsure = others || last->cause == CAUSE_PENDING_ACCEPTS; /* somebody may accept them */
    r->last = *last;
    r->key = (struct diag_key){
        .local = e->probe.local, .peer = e->probe.peer, .cookie = e->probe.cookie};
    if (!diag_is_settled() && boundary_single_threaded())
        diag_prepare(); /* there is no other thread that could meet its number */
    r->before = diag_ask_open(DIAG_KEPT, e->fd, &r->key);
    r->event = *e;
    r->event.pid = atomic_load(&process->pid);
    r->event.tid = r->tid;
    if (e->preview_size) {
        memcpy(r->preview, e->preview, e->preview_size);
        r->event.preview = r->preview;
    }
    atomic_store(&r->state, CLOSING);
    added++;
    return true;
}

/* If other processes' closes may have caused the reset as well, only one of them reports it. */
static void settle(struct record *r, enum diag after)
{
    struct event *e = &r->event;
    struct conclusion found =
        outcome_of(&r->last, r->before.what, after, r->before.state, r->others);

    if (after == DIAG_UNASKED || r->before.what != DIAG_HELD)
        return; /* with the verdict's word */
    if (found.claims && !ledger_claim(r->key.cookie)) {
        found = (struct conclusion){.outcome = OUTCOME_NONE};
        e->reason = REASON_SHARED;
    } else if (after == DIAG_HELD) {
        if (e->reason == REASON_NONE)
            e->reason = REASON_HELD;
    } else if (e->reason == REASON_SHARED) {
        e->reason = e->action == ACTION_PASSED ? REASON_OWNER_UNKNOWN : REASON_NONE;
    }
    e->verdict.outcome = found.outcome;
    e->confirmed = found.confirmed;
}

/* The peer's FIN was the first: then an orderly end has no TIME_WAIT. */
static void note_state(struct record *r, uint8_t state)
{
    r->unsure |= r->last.cause == CAUSE_UNREAD_DATA &&
                 (state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK);
}

static void tell(struct records *all, struct record *r)
{
    struct diag_answer after = {.what = DIAG_UNASKED};

    if (r->before.what == DIAG_HELD)
        after = diag_ask(DIAG_KEPT, &r->key);
    settle(r, after.what);
    summary_count(&r->event);
    event_emit(&r->event);
    note_state(r, after.state);
    if (after.what != DIAG_HELD || r->last.outcome != OUTCOME_RST ||
        r->event.reason == REASON_SHARED) { /* a relative reports its own close */
        atomic_store(&r->state, FREE);
        return;
    }
    stack_capture(&r->stack, mode_stack(), r->event.call_site);
    r->event.stack = &r->stack;
    if (atomic_fetch_add(&all->held, 1) == 0)
        atomic_store(&all->asked, clock_ns(CLOCK_MONOTONIC));
    atomic_store(&r->state, HELD);
}

void pending_done(unsigned first, unsigned last, bool closed)
{
    struct records *all = atomic_load(&records);
    int tid;

    if (!added || !all)
        return;
    tid = sys_gettid();
    added = 0;
    for (int i = 0; i < RECORDS; i++) {
        struct record *r = &all->at[i];

        if (atomic_load(&r->state) != CLOSING || r->tid != tid)
            continue;
        if ((unsigned)r->event.fd < first || (unsigned)r->event.fd > last)
            added++; /* of a close that this one came in the middle of */
        else if (move(r, CLOSING, BUSY))
            closed ? tell(all, r) : atomic_store(&r->state, FREE);
    }
}

static void tell_late(struct record *r, int64_t now)
{
    struct event *e = &r->event;

    e->is_late = true;
    e->ms = (uint64_t)(now - e->at.mono) / (NS_PER_S / 1000);
    e->at = (struct moment){.real = 0}; /* now */
    e->reason = REASON_NONE;
    e->verdict.outcome = OUTCOME_RST;
    e->confirmed = !r->unsure;
    event_emit(e);
}

static void ask_again(struct records *all, struct record *r, int64_t now)
{
    struct diag_answer a = diag_ask(DIAG_KEPT, &r->key);
    bool recent = now - r->event.at.mono < SURE_NS;

    if (a.what ==
        DIAG_GONE) /* or on its way to TIME_WAIT, when for a moment it is in neither place */
        a = diag_ask(DIAG_KEPT, &r->key);
    if (a.what == DIAG_HELD && recent) {
        note_state(r, a.state);
        atomic_store(&r->state, HELD);
        return;
    }
    atomic_fetch_sub(&all->held, 1);
    if (a.what == DIAG_GONE && recent && ledger_claim(r->key.cookie)) {
        if (!r->unsure)
            summary_count_later();
        if (event_admit())
            tell_late(r, now);
    } else if (!recent) {
        bump(&ledger->counts.forgotten); /* it would not be certain any more */
    }
    atomic_store(&r->state, FREE);
}

static void ask_some(struct records *all, int most, int64_t now)
{
    unsigned at = atomic_load(&all->next);

    for (int i = 0; i < RECORDS && most > 0 && atomic_load(&all->held) > 0; i++, at++)
        if (move(&all->at[at % RECORDS], HELD, BUSY)) {
            ask_again(all, &all->at[at % RECORDS], now);
            most--;
        }
    atomic_store(&all->next, at);
}

void pending_ask_again(void)
{
    struct records *all = atomic_load_explicit(&records, memory_order_relaxed);
    int64_t asked;
    int64_t now;

    if (!all || atomic_load_explicit(&all->held, memory_order_relaxed) <= 0)
        return;
    now = clock_ns(CLOCK_MONOTONIC);
    asked = atomic_load(&all->asked);
    if (now - asked >= AGAIN_NS && atomic_compare_exchange_strong(&all->asked, &asked, now))
        ask_some(all, ASKED_MOST, now);
}

void pending_end(void)
{
    struct records *all = atomic_load(&records);

    if (!all)
        return;
    ask_some(all, RECORDS, clock_ns(CLOCK_MONOTONIC));
    for (int i = 0; i < RECORDS; i++) {
        struct record *r = &all->at[i];

        if (move(r, CLOSING, BUSY)) {
            r->before.what = DIAG_UNASKED; /* its real close may not have been yet */
            tell(all, r);
        } else if (atomic_load(&r->state) == HELD) {
            bump(&ledger->counts.forgotten);
        }
    }
}
