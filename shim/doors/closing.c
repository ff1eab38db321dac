#include "safeclose.h"

#include "ground/boundary.h"
#include "doors/closing.h"
#include "settings/config.h"
#include "remedy/drain.h"
#include "ground/fdtable.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "holders/rings.h"
#include "ground/real.h"
#include "remedy/handing.h"
#include "remedy/linger.h"
#include "remedy/parcel.h"
#include "ground/clock.h"
#include "tcp/pending.h"
#include "remedy/streams.h"
#include "report/sink.h"
#include "report/summary.h"
#include "ground/sys.h"
#include "remedy/mode_change.h"
#include "settings/control.h"
#include "tcp/first_use.h"

/* Whether SAFECLOSE_PORTS covers a connection: by its own port, or by the peer's where the program
 * opened it. Where that was not seen, either will do. */
static bool covered(const struct fd_note *note, const struct probe *p)
{
    bool opened = note->flags & FD_CONNECTED;
    bool accepted = note->flags & FD_PEER && !opened;

    return (!opened && config_covers_port(p->local.port)) ||
           (!accepted && p->peer.known && config_covers_port(p->peer.port));
}

static bool may_others_hold(const struct giving_up *g)
{
    return g->held == HELD_HERE || g->held == HELD_ELSEWHERE;
}

/* What may come after a close in order. Not where others hold the connection on. */
static enum risk risk_of(const struct giving_up *g, uint8_t state)
{
    if (may_others_hold(g))
        return RISK_NONE;
    if (g->unasked)
        state = probe_state(g->fd);
    if (!verdict_peer_may_send(state))
        return RISK_NONE;
    return !g->no_output && probe_unacked(g->fd, state) ? RISK_OUTPUT : RISK_SEND;
}

/* Whether the peer could still send is asked of the first closes of a family, and then of one in so many, which
 * stands for the others: a call for each would double what we cost. Where there is output, always. */
#define ASKED_FIRST 16
#define ASKED_THEN 64

static void count_clean(const struct giving_up *g)
{
    struct counts *c = &ledger->counts;
    uint64_t clean = atomic_load_explicit(&c->clean, memory_order_relaxed);
    uint64_t stands_for = !g->no_output || clean < ASKED_FIRST ? 1 : ASKED_THEN;
    enum risk risk;

    summary_count_clean();
    if (clean % stands_for)
        return;
    risk = may_others_hold(g) ? RISK_NONE : risk_of(g, probe_state(g->fd));
    if (risk)
        atomic_fetch_add_explicit(&c->may_send, stands_for, memory_order_relaxed);
    if (risk == RISK_OUTPUT)
        bump(&c->at_risk);
}

/* Whether the note tells where the connection comes from and that nothing unusual was asked of it.
 */
static bool is_plain(const struct fd_note *note)
{
    const uint32_t doubts = FD_MPTCP | FD_LISTENING | FD_ASK_LINGER;

    return note->flags & (FD_BORN | FD_ARRIVED) && note->flags & FD_PEER && !(note->flags & doubts);
}

/* Somebody else may have set SO_LINGER through a descriptor of theirs. */
static bool was_shared(const struct fd_note *note)
{
    return holders_were_others(note);
}

/* What takes memory in the receive queue may be the peer's FIN, or have come out of order. */
static bool nothing_unread(struct giving_up *g, const struct probe_memory *memory)
{
    struct probe p;

    if (memory->received == 0)
        return true;
    memset(&p, 0, sizeof(p));
    probe_unread(g->fd, memory, &p);
    g->unread = p.unread;
    return !p.facts.unread;
}

/* Somebody else who holds it, or did, may have asked for a reset. Who is not preloaded and sets a
 * negative TCP_LINGER2 is not foreseen. */
static bool others_want_reset(int fd)
{
    bool zero;

    return !probe_zero_linger(fd, family_knows_linger2() ? 0 : STATE_ESTABLISHED, &zero) || zero;
}

/*
 * Most closes end here: nothing unread and no reset asked for, as one call can tell of a connection
 * that was seen from its beginning and never shared. Two more calls where the peer's FIN is still
 * queued, two where output is not acknowledged, one or two where others hold or held the
 * connection, or it came from elsewhere. (Whether it is TCP yet is not asked then: but for its
 * count in the summary nothing depends on it.) True, and counted, where no more needs to be asked.
 */
static bool surely_clean(struct giving_up *g)
{
    const struct fd_note *note = g->note;
    struct probe_memory memory;

    if (!is_plain(note) || config.all_events || config.port_ranges || g->mode == MODE_LINGER)
        return false;
    if (!probe_memory(g->fd, &memory))
        return false;
    g->no_output = memory.queued == 0;
    if (!nothing_unread(g, &memory) || (was_shared(note) && others_want_reset(g->fd)))
        return false;
    if (g->exiting && (may_others_hold(g) || !atomic_load(&process->greeted)))
        return true; /* was left here by a fork or an exec, and never used: no close of this
                        process's */
    count_clean(g);
    return true;
}

static enum note note_of(enum owner owner)
{
    switch (owner) {
    case OWNER_SOLE:
        return NOTE_NONE;
    case OWNER_SHARED:
        return NOTE_SHARED;
    default:
        return NOTE_OWNER_UNKNOWN;
    }
}

/* From "the last close would do this" to what this one does, given who else holds the socket. Where that is
 * unknown a remedy is declined; what comes of the close the kernel will say, but not at an exit. */
static void apply_owner(struct event *e, struct giving_up *g)
{
    enum owner owner;

    if (e->probe.facts.mptcp) {
        e->note = NOTE_MPTCP;
        return;
    }
    if (e->verdict.outcome == OUTCOME_NONE && !g->lingers)
        return;
    g->threads = !boundary_single_threaded();
    owner = owner_of(g);
    e->holder = g->held == HELD_HERE ? g->number : -1;
    e->note = note_of(owner);
    if (owner == OWNER_SHARED)
        e->verdict.outcome = OUTCOME_NONE;
    else if (owner == OWNER_UNKNOWN && g->exiting && e->verdict.outcome != OUTCOME_NONE)
        e->verdict.outcome = OUTCOME_UNKNOWN;
    else if (owner == OWNER_UNKNOWN && !g->acts)
        e->note = NOTE_NONE;
}

/* With SO_LINGER and a time, an orderly close waits for the peer; the reset that it replaces did
 * not. */
static void dont_wait(int fd)
{
    sys_linger_off(fd);
}

/*
 * Discards what is unread. An empty queue is what it looks like; where the drain ended otherwise,
 * at its bound or because the peer ended or reset the connection, the kernel is asked again. (A
 * thread that is cancelled in the real close leaves the descriptor open, and drained: the program
 * was about to lose both.)
 */
static void drain_and_look(struct event *e, const struct fd_note *note)
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
    else if (!is_plain(note) || was_shared(note))
        dont_wait(e->fd);
}

/* A client that has had enough is owed that what it sent arrives; what the server would send on is not wanted. */
static bool is_done_with(const struct event *e, const struct giving_up *g)
{
    return g->note->flags & FD_CONNECTED && !probe_unacked(g->fd, e->probe.facts.state);
}

/* Whether what the peer may still send could do harm, and lingering can prevent it: after a
 * shutdown for reading the kernel resets whatever is done, and what a stream has not flushed comes
 * after us. */
static bool should_linger(const struct event *e, const struct giving_up *g)
{
    bool streams = e->via == VIA_EXIT;
    uint32_t doubts = FD_READ_SHUT | (streams ? FD_STREAM : 0);
    const struct facts *facts = &e->probe.facts;

    return g->mode == MODE_LINGER && verdict_peer_may_send(facts->state) && !facts->mptcp &&
           !facts->zero_linger && !(g->note->flags & doubts) && !(streams && streams_hidden()) &&
           !is_done_with(e, g);
}

static unsigned opened_flag(const struct fd_note *note)
{
    return note->flags & FD_CONNECTED ? PARCEL_OPENED : 0;
}

static unsigned parcel_flags(const struct giving_up *g)
{
    return (g->threads ? PARCEL_THREADS : 0) | (g->exiting ? PARCEL_EXITING : 0);
}

/* True where the lot has it. */
static bool park(struct event *e, const struct giving_up *g, bool told)
{
    struct facts clean = e->probe.facts;
    enum outcome outcome;
    unsigned flags = parcel_flags(g) | (told ? PARCEL_LOGGED : 0);

    clean.unread = false;
    outcome = verdict_of(&clean).outcome;
    if (g->lingers)
        flags |=
            PARCEL_LINGER | (outcome == OUTCOME_FIN ? PARCEL_HALF_CLOSE : 0) | opened_flag(g->note);
    e->note = linger_park(e, g->note, flags);
    if (e->note != NOTE_NONE)
        return false;
    e->action = g->lingers ? ACTION_LINGERING : ACTION_DRAINING;
    e->verdict.outcome = g->threads ? OUTCOME_NONE : outcome;
    e->confirmed = true; /* the lot holds it on, and FIN, if any, is sent */
    return true;
}

/* A reset that the program asked for besides would come all the same. */
static void act(struct event *e, const struct giving_up *g, bool told)
{
    bool unread = e->verdict.cause == CAUSE_UNREAD_DATA;

    if (g->mode < MODE_DRAIN || e->probe.facts.zero_linger || !(unread || g->lingers))
        return;
    if (e->note == NOTE_NONE) {
        if ((g->lingers || g->threads) && park(e, g, told))
            return;
        if (!g->threads && unread)
            drain_and_look(e, g->note);
        else if (g->threads)
            e->action = ACTION_PASSED;
    } else if (unread || e->note == NOTE_OWNER_UNKNOWN) {
        e->action = ACTION_PASSED;
    }
}

/* At its exit a process gives up whatever a fork left it with. That others may still hold it is no
 * news then: it is counted, and a line each would only hide what is. */
static bool is_news(const struct event *e, const struct giving_up *g)
{
    return !g->exiting || e->note == NOTE_NONE || !may_others_hold(g);
}

/* Never was a connection, nor waiting for one. */
static bool is_unused(const struct event *e, const struct fd_note *note)
{
    return e->probe.facts.state == STATE_CLOSE && !(note->flags & (FD_PEER | FD_LISTENING));
}

/*
 * Bytes that are unread, and a peer: then the verdict is the same in whatever state the connection
 * is (tcp/verdict.c). Most often it is ESTABLISHED, or CLOSE_WAIT, where everything is as there, so the
 * kernel is asked only for somebody who reads it, or where it matters what else may come.
 */
static bool guess_state(struct event *e, struct giving_up *g, bool ask_linger)
{
    if (!g->unread || ask_linger || g->note->flags & FD_HALF_CLOSED)
        return false;
    e->probe.peer = probe_peer(e->fd);
    g->unasked = e->probe.peer.known;
    e->probe.unread = g->unread;
    e->probe.facts.unread = true;
    e->probe.facts.state = STATE_ESTABLISHED;
    return g->unasked;
}

/* The facts, and whose they are. A connection that has no peer any more was reset since they were
 * asked. */
static bool ask(struct event *e, struct giving_up *g, enum probe_kind kind)
{
    bool ask_linger = !is_plain(g->note) || was_shared(g->note);

    if (guess_state(e, g, ask_linger))
        return true;
    if (!probe_facts(e->fd, kind, ask_linger, &e->probe))
        return false;
    e->probe.peer = probe_peer(e->fd);
    if (!e->probe.peer.known && e->probe.facts.state != STATE_LISTEN)
        return probe_facts(e->fd, kind, ask_linger, &e->probe);
    return true;
}

static enum whose whose_of(const struct fd_note *note)
{
    if (!(note->flags & FD_PEER))
        return EITHER;
    return note->flags & FD_CONNECTED ? OPENED : ACCEPTED;
}

/* What is unread is looked at for whoever reads the event, before it is drained. A guess at it
 * needs about a hundred bytes: that is how far behind its boundary a part of a form says what it
 * is. */
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

/* For debuggers. */
EXPORT __attribute__((noinline)) void safeclose_reset_ahead(int fd)
{
    __asm__ volatile("" : : "r"(fd) : "memory"); /* or it would be left out, and its call too */
}

/* How far the program had come with it, for whoever is told what that means. */
static unsigned when_of(const struct event *e)
{
    struct probe_position position = {.read = 0};
    unsigned when = event_is_exit(e->via) ? ENDED : 0;

    if (mode_now() == MODE_WARN && e->verdict.cause == CAUSE_UNREAD_DATA && !e->probe.urgent &&
        probe_position(e->fd, &position)) {
        when |= position.read == 0 ? UNTOUCHED : 0;
        when |= position.read && position.written ? ANSWERED : 0;
    }
    return when;
}

/* Whether no mode touches it, and how it came or went: there is a setting for that, unless something else forbids
 * it, too. */
static void note_way(struct event *e, const struct giving_up *g)
{
    uint32_t flags = g->note->flags;
    bool more = flags & (FD_READ_SHUT | FD_MPTCP) || rings_may_have(g->note);

    e->untouchable = more || flags & (FD_ARRIVED | FD_LOST) || g->held == HELD_UNKNOWN;
    e->handed = !more && flags & FD_ARRIVED && !(flags & FD_LOST);
    e->passed = !more && flags & FD_LOST && holders_pass_on();
}

/* What only a reader wants to know. */
static void look_closer(struct event *e, const struct giving_up *g,
                        uint8_t bytes[CONFIG_PREVIEW_MAX])
{
    if (g->unasked)
        e->probe.facts.state = probe_state(e->fd);
    e->probe.local = probe_local(e->fd);
    e->probe.half_closed = g->note->flags & FD_HALF_CLOSED;
    probe_details(e->fd, &e->probe);
    e->whose = whose_of(g->note);
    note_way(e, g);
    glance(e, g->held, bytes);
    e->when = when_of(e);
    e->at = (struct moment){real_clock_ns(CLOCK_REALTIME), real_clock_ns(CLOCK_MONOTONIC)};
}

/* Whether it is the process's own: one that never used TCP may have inherited what is its parent's business, or
 * what leaked into it over an exec. A service gets its connection on 0 to 2, or listening sockets from 3 on
 * (sd_listen_fds(3)). */
static bool is_own(const struct giving_up *g)
{
    if (atomic_load(&process->greeted))
        return true;
    if (g->note->flags & FD_ARRIVED)
        return g->fd <= 2 || g->fd - 3 < config.handed;
    return !may_others_hold(g);
}

/* Afterwards there would be nobody to tell. */
static bool takes_log(const struct giving_up *g)
{
    return g->last > g->first && sink_is_within(g->first, g->last);
}

/* What is told once the kernel has said what became of it, and what can't be. */
static void tell(struct event *e, const struct giving_up *g, const struct verdict *last,
                 bool written)
{
    bool parked = e->action == ACTION_LINGERING || e->action == ACTION_DRAINING;

    if (written && config.log != LOG_NONE && !parked && !g->exiting && !takes_log(g) &&
        !e->probe.facts.mptcp && e->probe.facts.state != STATE_CLOSE &&
        pending_add(e, last, g->held != HELD_BY_NOBODY))
        return;
    summary_count(e);
    if (written && !(g->exiting && e->verdict.outcome == OUTCOME_RST &&
                     !ledger_claim(e->probe.cookie))) /* who let it go before will ask, too */
        event_emit(e);
}

/* All that there is to ask, tell and do. What only a reader wants to know is asked last, and only
 * if the event is going to be written. */
static void judge(struct event *e, struct giving_up *g, enum probe_kind kind)
{
    uint8_t bytes[CONFIG_PREVIEW_MAX];
    struct verdict last;
    bool written;

    if (!boundary_is_ours() || !ask(e, g, kind) || is_unused(e, g->note))
        return;
    last = e->verdict = verdict_of(&e->probe.facts);
    if (config.port_ranges) {
        e->probe.local = probe_local(e->fd);
        if (!covered(g->note, &e->probe))
            return;
    }
    g->lingers = should_linger(e, g);
    written = e->verdict.cause != CAUSE_NONE || config.all_events;
    if (!is_own(g) || (!written && !g->lingers && g->exiting && may_others_hold(g)))
        return;
    g->acts = g->lingers || (g->mode >= MODE_DRAIN && e->verdict.cause == CAUSE_UNREAD_DATA &&
                             !e->probe.facts.zero_linger);
    if (written || g->lingers)
        apply_owner(e, g);
    if (g->exiting && e->note == NOTE_SHARED)
        return;
    first_use();
    written = written && is_news(e, g) && event_admit();
    if (written)
        look_closer(e, g, bytes);
    act(e, g, written);
    if (e->action == ACTION_DRAINED)
        last = e->verdict;
    if (e->note == NOTE_NONE && g->note->flags & FD_READ_SHUT)
        e->note = NOTE_READ_SHUT;
    if (e->verdict.outcome != OUTCOME_RST && e->action != ACTION_LINGERING)
        e->risk = risk_of(g, e->probe.facts.state);
    tell(e, g, &last, written);
    if (e->verdict.outcome == OUTCOME_RST)
        safeclose_reset_ahead(e->fd);
}

/* False where the number stands for no TCP socket. */
static bool give_up(struct giving_up *g, enum via via, const void *call_site)
{
    enum probe_kind kind = PROBE_TCP;

    if (g->mode == MODE_OFF)
        return g->note->flags & FD_TCP;
    if (surely_clean(g))
        return true;
    /* For a connection seen from its beginning the peer's address, compared before anything is
     * done, proves as much. */
    if (!(is_plain(g->note) && g->note->flags & FD_BORN) || config.all_events)
        kind = probe_kind(g->fd);
    if (kind != PROBE_TCP && kind != PROBE_MPTCP)
        return false;
    struct event e = {.fd = g->fd, .via = via, .call_site = call_site};
    struct giving_up asked = *g;

    asked.probe = &e.probe;
    judge(&e, &asked, kind);
    return true;
}

/*
 * The number that this thread is giving up, plus one, and the depth of its door. What libc or
 * another preloaded library calls within a real call lies deeper: a stream's function may call
 * close, and that syscall. A door that is not deeper is a new close: the call before was left by
 * siglongjmp.
 */
static PER_THREAD volatile int in_door;
static PER_THREAD volatile int door_depth;

static int depth_of(enum via via)
{
    switch (via) {
    case VIA_FCLOSE:
    case VIA_PCLOSE:
    case VIA_FREOPEN:
        return 1;
    case VIA_SYSCALL:
        return 3;
    default:
        return 2;
    }
}

/* What is to become of it where the others have given it up by then. */
static unsigned kept_flags(const struct giving_up *g)
{
    if (g->mode != MODE_LINGER || g->note->flags & FD_READ_SHUT)
        return 0;
    return PARCEL_LINGER | PARCEL_HALF_CLOSE | opened_flag(g->note);
}

/* Gives the number up. A call that another thread is in holds the connection on as well: the lot finds out
 * when it is over, for whoever gives it up last in another process. Not of what is in an epoll set: the set may be
 * the other process's too, so it stays there, and what the lot holds would go on giving events. */
static void drop(struct giving_up *g, enum via via)
{
    bool stays = mode_may_act() && !real_single_threaded() && !g->exiting;

    if (!(g->note->flags & FD_TCP))
        return;
    g->held = holders_give_up(g->fd, g->note, g->exiting, stays, &g->number);
    if (!stays || g->held != HELD_ELSEWHERE)
        return;
    if (boundary_single_threaded()) {
        g->held = holders_release(g->note);
    } else if (g->mode >= MODE_DRAIN && is_plain(g->note) && !config.port_ranges &&
               !holders_in_epoll(g->note)) {
        struct event e = {.fd = g->fd, .via = via, .probe.peer = probe_peer(g->fd)};

        if (owner_is_of_this_connection(g->note, &e.probe))
            linger_park(&e, g->note, PARCEL_THREADS | PARCEL_SHARED | kept_flags(g));
    }
}

enum mode closing_mode(void)
{
    if (config.controlled)
        mode_change_look(real_clock_ns(CLOCK_MONOTONIC_COARSE));
    return mode_now();
}

static void close_one(int fd, enum via via, const void *call_site, enum mode mode, unsigned first,
                      unsigned last)
{
    struct fd_note note;
    struct giving_up g = {.fd = fd, .note = &note, .mode = mode, .first = first, .last = last};

    if (in_door == fd + 1 && depth_of(via) > door_depth)
        return;
    in_door = fd + 1;
    door_depth = depth_of(via);
    note = fdtable_take(fd);
    if (note.flags & FD_TCP && g.mode != MODE_OFF) {
        pending_ask_again();
        summary_so_far();
    }
    drop(&g, via);
    if (!give_up(&g, via, call_site))
        in_door = 0;
}

void closing_in(int fd, enum via via, const void *call_site, enum mode mode)
{
    close_one(fd, via, call_site, mode, 0, 0);
}

void closing(int fd, enum via via, const void *call_site)
{
    closing_in(fd, via, call_site, closing_mode());
}

void closing_done(unsigned first, unsigned last, bool closed)
{
    if (boundary_vfork_child())
        return;
    in_door = 0;
    if (closed)
        handing_end(first, last);
    pending_done(first, last, closed);
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
    int fd = first > INT_MAX ? -1 : fdtable_next((int)first - 1, FD_TCP);
    enum mode mode;

    if (fd < 0 || (unsigned)fd > last)
        return;
    mode = closing_mode();
    if (mode >= MODE_DRAIN && !boundary_single_threaded()) {
        linger_prepare(true);
        handing_begin(first, last); /* one for all of them */
    }
    for (; fd >= 0 && (unsigned)fd <= last; fd = fdtable_next(fd, FD_TCP))
        close_one(fd, via, call_site, mode, first, last);
}

/* Where another thread is closing it, that thread tells. */
static void end_with(int fd, enum via via, const void *call_site, enum mode mode)
{
    struct fd_note note = fdtable_take(fd);
    struct giving_up g = {.fd = fd, .note = &note, .mode = mode, .exiting = true};

    if (!(note.flags & FD_TCP))
        return;
    drop(&g, via);
    give_up(&g, via, call_site);
}

/* What was inherited, and is its creator's still, is nothing of ours: of that there may be thousands. */
void closing_all(enum via via, const void *call_site, enum mode mode)
{
    uint32_t keeper;

    if (!boundary_is_ours()) /* a clone that runs in our memory: what it ends is not ours */
        return;
    keeper = holders_keeper();
    for (int fd = -1; (fd = fdtable_next_not_of(fd, FD_TCP, keeper)) >= 0;)
        end_with(fd, via, call_site, mode);
}

void closing_early(int fd)
{
    if (probe_kind(fd) == PROBE_TCP)
        ledger_too_early();
}
