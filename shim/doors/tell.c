#include "safeclose.h"

#include "doors/tell.h"
#include "ground/boundary.h"
#include "ground/real.h"
#include "holders/rings.h"
#include "report/sink.h"
#include "report/summary.h"
#include "settings/config.h"
#include "settings/control.h"
#include "tcp/pending.h"

/* Whether the peer could still send is asked for the first closes of a family, and then for one in ASKED_THEN, which
 * counts for the others: one call for each close would double our cost. If there is output, it is always asked. */
#define ASKED_FIRST 16
#define ASKED_THEN 64

/* Whether SAFECLOSE_PORTS covers a connection: by its own port, or by the peer's if the program opened it. If that
 * was not seen, either will do. */
bool tell_covers(const struct fd_info *info, const struct probe *p)
{
    bool opened = info->flags & FD_CONNECTED;
    bool accepted = info->flags & FD_PEER && !opened;

    return (!opened && config_covers_port(p->local.port)) ||
           (!accepted && p->peer.known && config_covers_port(p->peer.port));
}

/* What may come after an orderly close. Nothing if others still hold the connection. */
enum risk tell_risk(const struct close *c, uint8_t state)
{
    if (owner_may_be_others(c))
        return RISK_NONE;
    if (c->unasked)
        state = probe_state(c->fd);
    if (!verdict_peer_may_send(state))
        return RISK_NONE;
    return !c->no_output && probe_unacked(c->fd, state) ? RISK_OUTPUT : RISK_SEND;
}

void tell_clean(const struct close *c)
{
    struct counts *counts = &ledger->counts;
    uint64_t clean = atomic_load_explicit(&counts->clean, memory_order_relaxed);
    uint64_t stands_for = !c->no_output || clean < ASKED_FIRST ? 1 : ASKED_THEN;
    enum risk risk;

    summary_count_clean();
    if (clean % stands_for)
        return;
    risk = owner_may_be_others(c) ? RISK_NONE : tell_risk(c, probe_state(c->fd));
    if (risk)
        atomic_fetch_add_explicit(&counts->may_send, stands_for, memory_order_relaxed);
    if (risk == RISK_OUTPUT)
        bump(&counts->at_risk);
}

static enum whose whose_of(const struct fd_info *info)
{
    if (!(info->flags & FD_PEER))
        return EITHER;
    return info->flags & FD_CONNECTED ? OPENED : ACCEPTED;
}

/* Looks at the unread bytes before they are drained, for the event. A guess needs about a hundred bytes: that is how
 * far after its boundary a part of a form says what it is. */
static void glance(struct event *e, enum held held, uint8_t bytes[CONFIG_PREVIEW_MAX])
{
    if (e->probe.urgent) {
        e->content = CONTENT_URGENT;
    } else if (e->probe.unread && held == HELD_BY_NOBODY) {
        unsigned size = probe_peek(e->fd, e->probe.facts.state, bytes, CONFIG_PREVIEW_MAX);

        e->content = content_of(bytes, size, e->probe.unread);
        e->preview = bytes;
        e->preview_size = size < config.preview ? size : config.preview;
    }
}

/* How far the program had come with the connection, which an explanation and a report need. */
static unsigned when_of(const struct event *e)
{
    struct probe_position position = {.read = 0};
    unsigned when = event_is_exit(e->via) ? ENDED : 0;

    if (e->verdict.cause == CAUSE_UNREAD_DATA && !e->probe.urgent &&
        probe_position(e->fd, &position)) {
        when |= position.read == 0 ? UNTOUCHED : 0;
        when |= position.read && position.written ? ANSWERED : 0;
    }
    return when;
}

/* Whether no mode may touch it, and whether a setting could change that: not if something else forbids it, too. */
static void note_way(struct event *e, const struct close *c)
{
    uint32_t flags = c->info->flags;
    bool more = flags & (FD_READ_SHUT | FD_MPTCP) || rings_may_have(c->info);

    e->untouchable = more || flags & (FD_INHERITED | FD_UNTRACKED) || c->held == HELD_UNKNOWN;
    e->handed = !more && flags & FD_INHERITED && !(flags & FD_UNTRACKED);
    e->passed = !more && flags & FD_UNTRACKED && holders_pass_on();
}

/* What only a reader wants to know. */
void tell_look_closer(struct event *e, const struct close *c, uint8_t bytes[CONFIG_PREVIEW_MAX])
{
    if (c->unasked)
        e->probe.facts.state = probe_state(e->fd);
    e->probe.local = probe_local(e->fd);
    e->probe.half_closed = c->info->flags & FD_HALF_CLOSED;
    probe_details(e->fd, &e->probe);
    e->whose = whose_of(c->info);
    note_way(e, c);
    glance(e, c->held, bytes);
    e->when = when_of(e);
    e->at = (struct moment){real_clock_ns(CLOCK_REALTIME), real_clock_ns(CLOCK_MONOTONIC)};
}

/* Whether the close is the process's own business. A process that never used TCP may have inherited its parent's
 * connections, or connections that leaked over an exec. A service gets its connection on 0 to 2, or listening sockets
 * from 3 on (sd_listen_fds(3)). */
bool tell_is_own(const struct close *c)
{
    if (atomic_load(&process->greeted))
        return true;
    if (c->info->flags & FD_INHERITED)
        return c->fd <= 2 || c->fd - 3 < config.handed;
    return !owner_may_be_others(c);
}

/* At its exit a process gives up all that it inherited by a fork. That others still hold it is no news: a line for
 * each would hide the lines that matter, so it is only counted. */
bool tell_is_news(const struct event *e, const struct close *c)
{
    return !c->exiting || e->reason == REASON_NONE || !owner_may_be_others(c);
}

/* This close takes the log's descriptor, so nothing could be written after it. */
static bool takes_log(const struct close *c)
{
    return c->last > c->first && sink_is_within(c->first, c->last);
}

/* Either the event waits until the kernel says what became of the close, or it is written now. */
void tell_close(struct event *e, const struct close *c, const struct verdict *last, bool written)
{
    bool parked = e->action == ACTION_LINGERING || e->action == ACTION_DRAINING;

    if (written && config.log != LOG_NONE && !parked && !c->exiting && !takes_log(c) &&
        !e->probe.facts.mptcp && e->probe.facts.state != STATE_CLOSE &&
        pending_add(e, last, c->held != HELD_BY_NOBODY))
        return;
    summary_count(e);
    if (written && !(c->exiting && e->verdict.outcome == OUTCOME_RST &&
                     !ledger_claim(e->probe.cookie))) /* who let it go before will ask, too */
        event_emit(e);
}
