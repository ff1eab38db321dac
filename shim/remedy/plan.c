#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "remedy/drain.h"
#include "remedy/linger.h"
#include "remedy/parcel.h"
#include "remedy/plan.h"
#include "remedy/streams.h"
#include "settings/config.h"

static enum reason reason_of(enum owner owner)
{
    switch (owner) {
    case OWNER_SOLE:
        return REASON_NONE;
    case OWNER_SHARED:
        return REASON_SHARED;
    default:
        return REASON_OWNER_UNKNOWN;
    }
}

/* Turns what the last close would do into what this close does, given who else holds the socket. If that is unknown,
 * there is no remedy; the kernel says afterwards what the close did, but not at an exit. */
void plan_for_owner(struct event *e, struct close *c)
{
    enum owner owner;

    if (e->probe.facts.mptcp) {
        e->reason = REASON_MPTCP;
        return;
    }
    if (e->verdict.outcome == OUTCOME_NONE && !c->lingers)
        return;
    c->threads = !boundary_single_threaded();
    owner = owner_of(c);
    e->holder = c->held == HELD_HERE ? c->number : -1;
    e->reason = reason_of(owner);
    if (owner == OWNER_SHARED)
        e->verdict.outcome = OUTCOME_NONE;
    else if (owner == OWNER_UNKNOWN && c->exiting && e->verdict.outcome != OUTCOME_NONE)
        e->verdict.outcome = OUTCOME_UNKNOWN;
    else if (owner == OWNER_UNKNOWN && !c->acts)
        e->reason = REASON_NONE;
}

/* Whether a client has had enough: all that it sent has arrived, and it does not want what the server still sends. */
static bool is_done_with(const struct event *e, const struct close *c)
{
    return c->info->flags & FD_CONNECTED && !probe_unacked(c->fd, e->probe.facts.state);
}

/* Whether data that the peer may still send could reset, and lingering can prevent that. Not after a shutdown for
 * reading: the kernel resets in any case. Not if a stream has output that libc writes after us. */
bool plan_lingers(const struct event *e, const struct close *c)
{
    bool streams = e->via == VIA_EXIT;
    uint32_t doubts = FD_READ_SHUT | (streams ? FD_STREAM : 0);
    const struct facts *facts = &e->probe.facts;

    return c->mode == MODE_LINGER && verdict_peer_may_send(facts->state) && !facts->mptcp &&
           !facts->zero_linger && !(c->info->flags & doubts) && !(streams && streams_hidden()) &&
           !is_done_with(e, c);
}

/* Discards what is unread. If the drain did not end with an empty queue, but at its bound or because the peer ended
 * or reset the connection, the kernel is asked again. (If the thread is cancelled in the real close, the descriptor
 * stays open, and drained; the program was about to lose both.) */
static void drain_and_look(struct event *e, const struct fd_info *info)
{
    struct drained drained = drain(e->fd, config.discard_max);
    struct probe after = e->probe;

    e->action = ACTION_DRAINED;
    e->discarded = drained.bytes;
    after.facts.unread = false;
    if (drained.end != DRAINED_EMPTY)
        probe_facts(e->fd, PROBE_TCP, true, &after);
    e->verdict.outcome = verdict_of(&after.facts).outcome;
    if (drained.end == DRAINED_BOUND && e->verdict.outcome == OUTCOME_RST)
        e->reason = REASON_BOUND;
    else if (!fdtable_is_plain(info) || holders_were_others(info))
        sys_linger_off(e->fd); /* with a time, FIN would wait for the peer; the reset did not */
}

static unsigned opened_flag(const struct fd_info *info)
{
    return info->flags & FD_CONNECTED ? PARCEL_OPENED : 0;
}

/* True if the lot has it. */
static bool park(struct event *e, const struct close *c, bool logged)
{
    struct facts clean = e->probe.facts;
    enum outcome outcome;
    unsigned flags = (c->threads ? PARCEL_THREADS : 0) | (c->exiting ? PARCEL_EXITING : 0) |
                     (logged ? PARCEL_LOGGED : 0);

    clean.unread = false;
    outcome = verdict_of(&clean).outcome;
    if (c->lingers)
        flags |=
            PARCEL_LINGER | (outcome == OUTCOME_FIN ? PARCEL_HALF_CLOSE : 0) | opened_flag(c->info);
    e->reason = linger_park(e, c->info, flags);
    if (e->reason != REASON_NONE)
        return false;
    e->action = c->lingers ? ACTION_LINGERING : ACTION_DRAINING;
    e->verdict.outcome = c->threads ? OUTCOME_NONE : outcome;
    e->confirmed = true; /* the lot holds it on, and FIN, if any, is sent */
    return true;
}

/* Nothing is done if the program also asked for a reset: that would come in any case. */
void plan_act(struct event *e, const struct close *c, bool logged)
{
    bool unread = e->verdict.cause == CAUSE_UNREAD_DATA;

    if (c->mode < MODE_DRAIN || e->probe.facts.zero_linger || !(unread || c->lingers))
        return;
    if (e->reason == REASON_NONE) {
        if ((c->lingers || c->threads) && park(e, c, logged))
            return;
        if (!c->threads && unread)
            drain_and_look(e, c->info);
        else if (c->threads)
            e->action = ACTION_PASSED;
    } else if (unread || e->reason == REASON_OWNER_UNKNOWN) {
        e->action = ACTION_PASSED;
    }
}

/* What the lot does if the others have given it up by then. */
unsigned plan_kept_flags(const struct close *c)
{
    if (c->mode != MODE_LINGER || c->info->flags & FD_READ_SHUT)
        return 0;
    return PARCEL_LINGER | PARCEL_HALF_CLOSE | opened_flag(c->info);
}
