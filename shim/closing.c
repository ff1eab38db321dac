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

/* A clean end is not the last word where later data can still reset and destroy output. */
static void count_risk(int fd, uint8_t state)
{
    if (verdict_peer_may_send(state) && probe_unacked(fd, state))
        bump(&process->counts.at_risk);
}

/* Whether the note tells where the connection comes from and that nothing unusual was asked of it.
 */
static bool is_plain(const struct fd_note *note)
{
    const uint32_t doubts = FD_MPTCP | FD_LISTENING | FD_ASK_LINGER;

    return note->flags & (FD_BORN | FD_ARRIVED) && note->flags & FD_PEER && !(note->flags & doubts);
}

/*
 * Most closes end here: nothing unread and no reset asked for, as one call can tell of a connection
 * that was seen from its beginning; two more where the send queue is not empty, one more where it
 * was not. True, and counted, where no more needs to be asked.
 */
static bool surely_clean(struct giving_up *g)
{
    const struct fd_note *note = g->note;
    int fd = g->fd;
    struct probe_memory memory;

    if (!is_plain(note) || config.all_events || config.port_ranges)
        return false;
    if (!probe_memory(fd, &memory))
        return false;
    g->no_output = memory.queued == 0;
    if (memory.received)
        return false;
    if (!(note->flags & FD_BORN) && probe_kind(fd) != PROBE_TCP)
        return false; /* closed unseen, and something else by now */
    if (g->exiting && g->left)
        return true; /* a fork left it here, and others hold it: no close of this process's */
    bump(&process->counts.closes);
    bump(&process->counts.clean);
    if (memory.queued)
        count_risk(fd, probe_state(fd));
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

/* Discards what is unread. An empty queue is what it looks like; where the drain ended otherwise,
 * at its bound or because the peer ended or reset the connection, the kernel is asked again. */
static void drain_and_look(struct event *e)
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

static void count(const struct event *e, const struct giving_up *g)
{
    struct counts *c = &process->counts;

    bump(&c->closes);
    bump(&c->causes[e->verdict.cause]);
    bump(&c->outcomes[e->verdict.outcome]);
    if (e->action == ACTION_DRAINED)
        bump(&c->drained);
    if (e->action == ACTION_PASSED)
        bump(&c->passed);
    if (e->verdict.outcome != OUTCOME_RST && !g->no_output)
        count_risk(e->fd, e->probe.facts.state);
}

/* At its exit a process gives up whatever a fork left it with. That others may still hold it is no
 * news then: it is counted, and a line each would only hide what is. */
static bool is_news(const struct event *e, const struct giving_up *g)
{
    return !g->exiting || e->note == NOTE_NONE || g->left == 0;
}

/* Never was a connection, nor waiting for one. */
static bool is_unused(const struct event *e, const struct fd_note *note)
{
    return e->probe.facts.state == STATE_CLOSE && !(note->flags & (FD_PEER | FD_LISTENING));
}

/* All that there is to ask, tell and do. What only a reader wants to know is asked last, and only
 * if the event is going to be written. */
static void judge(struct event *e, struct giving_up *g, enum probe_kind kind)
{
    const struct fd_note *note = g->note;

    if (!boundary_is_ours() || !probe_facts(e->fd, kind, !is_plain(note), &e->probe) ||
        is_unused(e, note))
        return;
    e->verdict = verdict_of(&e->probe.facts);
    e->probe.peer = probe_peer(e->fd);
    if (config.port_ranges) {
        e->probe.local = probe_local(e->fd);
        if (!covered(note, &e->probe))
            return;
    }
    if (e->verdict.cause == CAUSE_NONE && !config.all_events) {
        event_first_use(false);
        count(e, g);
        return;
    }
    apply_owner(e, g);
    if (g->exiting && e->note == NOTE_SHARED)
        return;
    event_first_use(false);
    act(e);
    if (e->note == NOTE_NONE && note->flags & FD_READ_SHUT)
        e->note = NOTE_READ_SHUT;
    count(e, g);
    if (!is_news(e, g) || !event_admit())
        return;
    e->probe.local = probe_local(e->fd);
    probe_details(e->fd, &e->probe);
    event_emit(e);
}

static void give_up(struct giving_up *g, enum via via, const void *call_site)
{
    enum probe_kind kind = PROBE_TCP;

    if (surely_clean(g))
        return;
    /* For a plain connection the peer's address, compared before anything is done, proves as much.
     */
    if (!is_plain(g->note) || config.all_events)
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
