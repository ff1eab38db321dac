#include "safeclose.h"

#include "boundary.h"
#include "closing.h"
#include "config.h"
#include "drain.h"
#include "fdtable.h"

static void bump(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Whether SAFECLOSE_PORTS covers a connection: by its own port, or by the peer's where the program
 * opened it. Where that was not seen, either will do. */
static bool covered(const struct fd_note *note, const struct probe *p)
{
    bool opened = note->flags & FD_CONNECTED;
    bool accepted = note->flags & FD_PEER && !opened;

    return (!opened && config_covers_port(p->local.port)) ||
           (!accepted && p->peer.known && config_covers_port(p->peer.port));
}

/* All output is acknowledged, or the peer has ended its side: no later data can destroy it. */
static bool output_is_safe(int fd)
{
    uint8_t state = probe_state(fd);

    return !verdict_peer_may_send(state) || probe_unacked(fd, state) == 0;
}

/*
 * Most closes end here: a connection that was seen from its beginning, with nothing unread and no
 * reset asked for, as one call can tell; one more or two where the send queue is not empty. True,
 * and counted, where no more needs to be asked.
 */
static bool surely_clean(int fd, const struct fd_note *note)
{
    const uint32_t seen = FD_BORN | FD_PEER;
    const uint32_t doubts = FD_MPTCP | FD_LISTENING | FD_ASK_LINGER;
    struct probe_memory memory;

    if ((note->flags & seen) != seen || (note->flags & doubts) || config.all_events ||
        config.port_ranges)
        return false;
    if (!probe_memory(fd, &memory) || memory.received)
        return false;
    bump(&process->counts.closes);
    bump(&process->counts.clean);
    if (memory.queued && !output_is_safe(fd))
        bump(&process->counts.at_risk);
    return true;
}

static enum note note_of(enum owner owner)
{
    switch (owner) {
    case OWNER_SOLE:
        return NOTE_NONE;
    case OWNER_SHARED:
        return NOTE_SHARED;
    case OWNER_IN_USE:
        return NOTE_IN_USE;
    default:
        return NOTE_OWNER_UNKNOWN;
    }
}

/* From "the last close would do this" to what this one does, given who else holds the socket. */
static void apply_owner(struct event *e, enum owner owner)
{
    if (e->probe.facts.mptcp) {
        e->note = NOTE_MPTCP;
        return;
    }
    if (e->verdict.outcome == OUTCOME_NONE)
        return;
    e->note = note_of(owner);
    if (owner == OWNER_SHARED)
        e->verdict.outcome = OUTCOME_NONE;
    else if (owner != OWNER_SOLE)
        e->verdict.outcome = OUTCOME_UNKNOWN;
}

/* Discards what is unread, and looks again rather than assuming: the bound may have been hit at the
 * very last byte, and the peer may have ended or reset the connection meanwhile. */
static void drain_and_look(struct event *e)
{
    struct drained drained = drain(e->fd, config.discard_max);
    struct probe after = e->probe;

    e->action = ACTION_DRAINED;
    e->discarded = drained.bytes;
    if (probe_facts(e->fd, PROBE_TCP, &after))
        e->verdict.outcome = verdict_of(&after.facts).outcome;
    if (drained.bound && e->verdict.outcome == OUTCOME_RST)
        e->note = NOTE_BOUND;
}

static void act(struct event *e)
{
    if (config.mode != MODE_DRAIN || e->verdict.cause != CAUSE_UNREAD_DATA)
        return;
    if (e->note == NOTE_NONE)
        drain_and_look(e);
    else
        e->action = ACTION_PASSED;
}

static void count(const struct event *e)
{
    struct counts *c = &process->counts;

    bump(&c->closes);
    bump(&c->causes[e->verdict.cause]);
    bump(&c->outcomes[e->verdict.outcome]);
    if (e->action == ACTION_DRAINED)
        bump(&c->drained);
    if (e->action == ACTION_PASSED)
        bump(&c->passed);
    if (e->verdict.outcome != OUTCOME_RST && e->probe.unacked &&
        verdict_peer_may_send(e->probe.facts.state))
        bump(&c->at_risk);
}

/* All that there is to ask, tell and do. */
static void judge(struct event *e, const struct fd_note *note, enum probe_kind kind)
{
    bool reports;

    if (!boundary_is_ours() || !probe_facts(e->fd, kind, &e->probe))
        return;
    if (e->probe.facts.state == STATE_CLOSE && !(note->flags & (FD_PEER | FD_LISTENING)))
        return; /* never was a connection */
    e->verdict = verdict_of(&e->probe.facts);
    reports = e->verdict.cause != CAUSE_NONE || config.all_events;
    if (reports || config.port_ranges)
        probe_addresses(e->fd, &e->probe);
    if (config.port_ranges && !covered(note, &e->probe))
        return;
    event_first_use(false);
    if (reports) {
        e->cookie = probe_cookie(e->fd);
        apply_owner(e, owner_of(e->fd, note, &e->probe));
        act(e);
    }
    count(e);
    if (reports)
        event_emit(e);
}

void closing(int fd, enum via via, const void *call_site)
{
    struct fd_note note = fdtable_get(fd);
    enum probe_kind kind = PROBE_TCP;

    fdtable_forget(fd);
    if (surely_clean(fd, &note)) {
        bump(&process->counts.closes);
        bump(&process->counts.clean);
        return;
    }
    kind = probe_kind(fd);
    if (kind == PROBE_TCP || kind == PROBE_MPTCP) {
        struct event e = {.fd = fd, .via = via, .call_site = call_site};
        judge(&e, &note, kind);
    }
}

void closing_early(int fd)
{
    if (probe_kind(fd) == PROBE_TCP)
        bump(&boundary_too_early);
}
