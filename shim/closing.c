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
    const uint32_t doubts = FD_MPTCP | FD_LISTENING | FD_ASK_LINGER;
    struct probe_memory memory;

    if (!(note->flags & (FD_BORN | FD_ARRIVED)) || !(note->flags & FD_PEER) ||
        note->flags & doubts || config.all_events || config.port_ranges)
        return false;
    if (!probe_memory(fd, &memory) || memory.received)
        return false;
    if (!(note->flags & FD_BORN) && probe_kind(fd) != PROBE_TCP)
        return false; /* closed unseen, and something else by now */
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
static void apply_owner(struct event *e, const struct giving_up *g)
{
    enum owner owner;

    if (e->probe.facts.mptcp) {
        e->note = NOTE_MPTCP;
        return;
    }
    if (e->verdict.outcome == OUTCOME_NONE)
        return;
    owner = owner_of(g, &e->holder);
    e->note = note_of(owner);
    if (owner == OWNER_SHARED || owner == OWNER_IN_USE)
        e->verdict.outcome = OUTCOME_NONE;
    else if (owner == OWNER_UNKNOWN)
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

/* At its exit a process gives up whatever a fork left it with. That others still hold it, or may,
 * is no news then: it is counted, and a line each would only hide what is. */
static bool is_news(const struct event *e, const struct giving_up *g)
{
    return !g->exiting || e->note == NOTE_NONE || g->left == 0;
}

/* All that there is to ask, tell and do. */
static void judge(struct event *e, struct giving_up *g, enum probe_kind kind)
{
    const struct fd_note *note = g->note;
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
        apply_owner(e, g);
        act(e);
        if (e->note == NOTE_NONE && note->flags & FD_READ_SHUT)
            e->note = NOTE_READ_SHUT;
    }
    count(e);
    if (reports && is_news(e, g))
        event_emit(e);
}

static void give_up(struct giving_up *g, enum via via, const void *call_site)
{
    enum probe_kind kind;

    if (surely_clean(g->fd, g->note))
        return;
    kind = probe_kind(g->fd);
    if (kind == PROBE_TCP || kind == PROBE_MPTCP) {
        struct event e = {.fd = g->fd, .via = via, .call_site = call_site};
        g->probe = &e.probe;
        judge(&e, g, kind);
    }
}

/* The number that this thread is giving up, plus one. A handler that interrupts it may give up
 * another. */
static PER_THREAD volatile int in_door;

void closing(int fd, enum via via, const void *call_site)
{
    struct fd_note note = fdtable_get(fd);
    struct giving_up g = {.fd = fd, .note = &note};

    if (in_door == fd + 1)
        return;
    in_door = fd + 1;
    fdtable_forget(fd);
    if (note.share) {
        g.left = share_drop(&note);
        g.until = share_deadline();
    }
    give_up(&g, via, call_site);
}

void closing_done(void)
{
    in_door = 0;
}

bool closing_concerns(int fd)
{
    enum probe_kind kind;

    if (fdtable_get(fd).flags & FD_TCP)
        return true;
    kind = probe_kind(fd);
    return kind == PROBE_TCP || kind == PROBE_MPTCP;
}

void closing_range(unsigned first, unsigned last, enum via via, const void *call_site)
{
    for (int fd = first > INT_MAX ? -1 : fdtable_next((int)first - 1, FD_TCP);
         fd >= 0 && (unsigned)fd <= last; fd = fdtable_next(fd, FD_TCP))
        closing(fd, via, call_site);
}

void closing_all(enum via via, const void *call_site)
{
    int64_t until = share_deadline();

    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;) {
        struct fd_note note = fdtable_get(fd);
        struct giving_up g = {.fd = fd, .note = &note, .until = until, .exiting = true};

        fdtable_forget(fd);
        g.left = share_drop(&note);
        give_up(&g, via, call_site);
    }
}

void closing_early(int fd)
{
    if (probe_kind(fd) == PROBE_TCP)
        bump(&boundary_too_early);
}
