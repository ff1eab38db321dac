#include "safeclose.h"

#include "ground/sys.h"
#include "holders/holders.h"
#include "remedy/drain.h"
#include "remedy/handing.h"
#include "remedy/lot_state.h"
#include "remedy/parcel.h"
#include "report/summary.h"
#include "settings/config.h"
#include "tcp/diag.h"
#include "tcp/outcome.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

#define TURN (4 << 20) /* bytes discarded of one connection before the others' turn */
#define GUEST_TURN 65536

/* Whether its end is reported: its close was logged, or data came that would have reset it. */
static bool is_told(const struct parked *p)
{
    return (p->flags & PARCEL_LOGGED || p->discarded || config.all_events) && event_admit();
}

/* The event, but for its outcome. */
static struct event begin_end(const struct lot *lot, int fd, const struct parked *p,
                              enum ended ended)
{
    struct event e = {
        .fd = p->fd,
        .pid = p->pid,
        .tid = p->tid,
        .via = (enum via)p->via,
        .verdict.cause = (enum cause)p->cause,
        .action = p->flags & PARCEL_LINGER ? ACTION_LINGERING : ACTION_DRAINING,
        .ended = ended,
        .is_end = true,
        .discarded = p->discarded,
        .ms = (uint64_t)(lot->now - p->since) / 1000000,
    };

    probe_facts(fd, PROBE_TCP, false, &e.probe);
    probe_details(fd, &e.probe);
    e.probe.local = probe_local(fd);
    e.probe.peer = p->peer;
    return e;
}

/* How many bytes of it may be discarded in one turn. A connection that does not linger has only one turn. */
uint64_t lot_turn_of(const struct parked *p)
{
    int64_t most = p->guest ? GUEST_TURN : p->flags & PARCEL_LINGER ? TURN : INT64_MAX;

    return (uint64_t)lot_earliest((int64_t)(config.discard_max - p->discarded), most);
}

/* Closes without waiting. Another holder may have set SO_LINGER by now; if it asks for a reset and the connection is
 * not ours, it stays set, as such a close does not wait. */
void lot_close_as_it_is(int fd, const struct parked *p)
{
    struct linger linger = {0, 0};
    unsigned len = sizeof(linger);

    if (p->options && p->order == BY_DOUBT)
        sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len);
    if (p->options && (p->order != BY_DOUBT || linger.l_linger > 0))
        parcel_discard(fd);
    else
        sys1(SYS_close, fd);
}

/* Closes, and asks the kernel for the outcome. A process that exits still has its own number; then only the FIN of a
 * half-close is certain. */
static void close_and_ask(struct lot *lot, int fd, const struct parked *p, struct event *e)
{
    struct diag_key key = {e->probe.local, e->probe.peer, e->probe.cookie, 0};
    struct verdict last = p->order == BY_DOUBT ? verdict_of(&e->probe.facts) : e->verdict;
    struct diag_answer before = {.what = DIAG_UNASKED};
    enum diag after = DIAG_UNASKED;
    struct conclusion found;

    if (p->flags & PARCEL_EXITING) { /* whose own number keeps it open a moment longer */
        if (p->order == BY_DOUBT)
            e->verdict.outcome = OUTCOME_UNKNOWN;
        else
            e->confirmed = !verdict_sends_fin(e->probe.facts.state);
        lot_close_as_it_is(fd, p);
        return;
    }
    if (!lot->diag)
        lot->diag = diag_open();
    if (lot->diag > 0)
        before = diag_ask_open((int)lot->diag, fd, &key);
    lot_close_as_it_is(fd, p);
    if (before.what == DIAG_HELD)
        after = diag_ask((int)lot->diag, &key).what;
    found = outcome_of(&last, before.what, after, before.state, p->order == BY_DOUBT);
    if (after == DIAG_HELD && p->order != BY_DOUBT)
        found = (struct conclusion){last.outcome, !verdict_sends_fin(e->probe.facts.state), false};
    if (found.claims && !ledger_claim(key.cookie))
        found = (struct conclusion){.outcome = OUTCOME_NONE};
    e->verdict.outcome = found.outcome;
    e->confirmed = found.confirmed;
}

/* Drains what may be drained, closes, and reports. The kernel goes on sending what is unacknowledged. */
void lot_let_go(struct lot *lot, int fd, struct parked *p, enum ended ended)
{
    bool peers = ended == ENDED_PEER_FIN || ended == ENDED_PEER_RST;
    bool ours = !peers && p->order != BY_DOUBT;
    enum outcome outcome = ended == ENDED_PEER_RST ? OUTCOME_NONE : OUTCOME_FIN;
    struct event e;

    if (ours) {
        struct drained drained = drain(fd, lot_turn_of(p));

        p->discarded += drained.bytes;
        if (drained.end == DRAINED_BOUND && sys_ioctl_int(fd, FIONREAD) > 0)
            outcome = OUTCOME_RST;
    }
    atomic_fetch_add_explicit(&ledger->counts.ended[ended], 1, memory_order_relaxed);
    if (!is_told(p)) {
        lot_close_as_it_is(fd, p);
        return;
    }
    e = begin_end(lot, fd, p, ended);
    e.verdict.outcome = outcome;
    e.confirmed = peers;
    if (ours && outcome == OUTCOME_FIN)
        drain(fd, lot_turn_of(p)); /* what came meanwhile */
    if (peers)
        lot_close_as_it_is(fd, p);
    else
        close_and_ask(lot, fd, p, &e);
    if (e.verdict.outcome == OUTCOME_RST)
        summary_count_later();
    event_emit(&e);
}

void lot_leave_orders(struct lot *lot, int fd, struct parked *p)
{
    if (!p->in_call.gone)
        handing_forget(p->handing);
    slots_take_out(&lot->slots, fd, BY_SILENCE);
    if (p->guest)
        slots_take_out(&lot->slots, fd, BY_GUEST);
    slots_take_out(&lot->slots, fd, p->order);
    lot->guests -= p->guest;
    lot->parked--;
}

/* Takes it out of the epoll set before closing it: the program may not have closed it yet, and then this is not the
 * last reference. */
void lot_end(struct lot *lot, int fd, enum ended ended)
{
    struct parked *p = lot_at(lot, fd);

    if (p->watched)
        sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_DEL, fd, 0);
    p->watched = false;
    lot_leave_orders(lot, fd, p);
    lot_let_go(lot, fd, p, ended);
    p->order = BY_LOOK; /* for ask_all */
}
