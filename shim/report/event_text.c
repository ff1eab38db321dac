#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/clock.h"
#include "ground/sys.h"
#include "report/event_text.h"
#include "report/names.h"
#include "report/sink.h"
#include "settings/config.h"

static void put_head(struct text *t, int pid, int64_t at)
{
    if (!at)
        at = clock_ns(CLOCK_REALTIME);
    text_put(t, "safeclose: ");
    text_time(t, at / NS_PER_S, (long)(at % NS_PER_S), sink_is_text_file());
    text_put(t, " ");
    text_plain(t, config.comm, strlen(config.comm));
    text_put(t, "[%d]: ", pid);
}

void event_text_head(struct text *t)
{
    put_head(t, atomic_load(&process->pid), 0);
}

static void put_endpoints(struct text *t, const struct event *e)
{
    const struct probe *p = &e->probe;

    text_put(t, " ");
    text_address(t, p->local.addr, p->local.v4, p->local.port);
    if (p->peer.known) {
        text_put(t, "->");
        text_address(t, p->peer.addr, p->peer.v4, p->peer.port);
    }
}

/* "1024 bytes", "urgent data", "10 bytes and urgent data": behind an urgent mark nobody can count.
 */
static void put_unread(struct text *t, const struct probe *p)
{
    if (p->unread || !p->urgent)
        text_amount(t, p->unread);
    if (p->urgent)
        text_put(t, p->unread ? " and urgent data" : "urgent data");
}

static void put_unacked(struct text *t, const struct probe *p)
{
    if (p->unacked < FORMAT_UNITS)
        text_put(t, "%u", p->unacked);
    else
        text_amount(t, p->unacked);
    text_put(t, " unacked");
}

static void put_outcome(struct text *t, const struct event *e)
{
    static const char words[OUTCOME_COUNT][NAME_SIZE] = {
        [OUTCOME_NONE] = "nothing sent",
        [OUTCOME_FIN] = "FIN",
        [OUTCOME_RST] = "RST",
        [OUTCOME_UNKNOWN] = "outcome unknown",
    };
    if (e->verdict.outcome == OUTCOME_RST && !e->confirmed)
        text_put(t, "probably ");
    text_put(t, "%s", words[e->verdict.outcome]);
}

static bool was_sent(const struct event *e)
{
    return e->verdict.outcome == OUTCOME_FIN || e->verdict.outcome == OUTCOME_RST;
}

/* A colon only if it is the reason for what the line says. After a reset, or what would have been one, it would
 * read as that one's reason. */
static const char *before_reason(const struct event *e)
{
    if (e->action == ACTION_DRAINED && e->reason >= REASON_NO_LOT)
        return "; not lingering: ";
    if (e->action == ACTION_PASSED && was_sent(e))
        return "; left alone: ";
    return e->action == ACTION_DRAINING || was_sent(e) ? "; " : ": ";
}

/* String n of those that stand one behind the other: a table of pointers would take 24 bytes of relocation for each. */
static const char *nth(const char *strings, unsigned n)
{
    while (n-- > 0)
        strings += strlen(strings) + 1;
    return strings;
}

static void put_note(struct text *t, const struct event *e)
{
    static const char words[] = {
#define REASON(id, name, text) text "\0"
#include "report/reasons.def"
#undef REASON
    };
    if (e->reason == REASON_NONE)
        return;
    text_put(t, "%s", before_reason(e));
    if (e->reason == REASON_SHARED && e->holder >= 0)
        text_put(t, "shared with descriptor %d", e->holder);
    else if (e->reason == REASON_READ_SHUT && e->verdict.outcome == OUTCOME_RST)
        text_put(t, "shut down for reading"); /* nothing is left for later data to reset */
    else
        text_put(t, "%s", nth(words, e->reason));
}

static void put_unread_data(struct text *t, const struct event *e)
{
    if (e->action == ACTION_DRAINED) {
        text_amount(t, e->discarded);
        text_put(t, e->verdict.outcome == OUTCOME_RST ? " drained, more were unread"
                                                      : " drained; would have been RST");
        return;
    }
    put_unread(t, &e->probe);
    if (e->action == ACTION_LINGERING || e->action == ACTION_DRAINING) {
        text_put(t, "%s; would have been RST",
                 e->action == ACTION_DRAINING         ? ""
                 : e->verdict.outcome == OUTCOME_NONE ? " unread"
                                                      : " unread; lingering");
        return;
    }
    text_put(t, " unread");
    if (e->verdict.outcome == OUTCOME_RST) {
        text_put(t, ", ");
        put_unacked(t, &e->probe);
    }
    if (e->probe.facts.zero_linger)
        text_put(t, "; the program also asked for a reset");
}

static void put_pending(struct text *t, const struct event *e)
{
    bool reset = e->verdict.outcome == OUTCOME_RST;
    uint32_t n = e->probe.facts.pending;

    text_put(t, "%s%u client%s waiting to be accepted%s", reset ? "to " : "", n, n == 1 ? "" : "s",
             reset ? "; no mode prevents this" : "");
}

/* The end of a lingering. */
static void put_end(struct text *t, const struct event *e)
{
    static const char words[] = {
#define END(id, name, text) text "\0"
#include "remedy/ends.def"
#undef END
    };
    text_put(t, "after %s for %llu ms, ", names_action(e->action), (unsigned long long)e->ms);
    text_amount(t, e->discarded);
    text_put(t, " discarded%s: %s", e->discarded ? " that the peer believes delivered" : "",
             nth(words, e->ended));
}

static void put_close(struct text *t, const struct event *e)
{
    switch (e->verdict.cause) {
    case CAUSE_UNREAD_DATA:
        put_unread_data(t, e);
        break;
    case CAUSE_ZERO_LINGER:
        text_put(t, "%sasked for by the program",
                 e->verdict.outcome == OUTCOME_RST ? "" : "a reset ");
        break;
    case CAUSE_PENDING_ACCEPTS:
        put_pending(t, e);
        break;
    default:
        put_unacked(t, &e->probe);
        if (e->action == ACTION_LINGERING && e->verdict.outcome != OUTCOME_NONE)
            text_put(t, "; lingering");
    }
    put_note(t, e);
}

void event_text_line(struct text *t, const struct event *e)
{
    bool is_close = !e->is_end && !e->is_late;
    bool parks = e->action == ACTION_LINGERING || e->action == ACTION_DRAINING;

    put_head(t, e->pid ? e->pid : atomic_load(&process->pid), e->at.real);
    text_put(t, "%s(%d)", names_via(e->via), e->fd);
    put_endpoints(t, e);
    text_put(t, ": ");
    if (is_close && e->action == ACTION_PASSED && !was_sent(e))
        text_put(t, "left alone");
    else if (is_close && parks && e->verdict.outcome == OUTCOME_NONE)
        text_put(t, "%s", names_action(e->action));
    else
        put_outcome(t, e);
    text_put(t, " [%s] ", names_cause(e->verdict.cause));
    if (e->is_end)
        put_end(t, e);
    else if (e->is_late)
        text_put(t, "%llu ms after this close, when its last holder let go",
                 (unsigned long long)e->ms);
    else
        put_close(t, e);
    text_put(t, "\n");
}

enum explained { EXPLAIN_WHY, EXPLAIN_PEER, EXPLAIN_FIX, EXPLAIN_WITHOUT, EXPLAIN_COUNT };

static const char *explanation(enum cause cause, enum explained what)
{
    static const char words[] = {
#define CAUSE(id, name, why, peer, fix, without) why "\0" peer "\0" fix "\0" without "\0"
#include "tcp/causes.def"
#undef CAUSE
    };
    return nth(words, cause * EXPLAIN_COUNT + what);
}

/* What hurts comes first. */
static void put_loss(struct text *t, const struct probe *p)
{
    text_put(t, "safeclose:   LOSS: up to %u byte%s", p->unacked, p->unacked == 1 ? "" : "s");
    if (p->unacked >= FORMAT_UNITS) {
        text_put(t, " (");
        text_amount(t, p->unacked);
        text_put(t, ")");
    }
    text_put(t, " of this program's output (%u never sent)\n", p->unsent);
}

/* The first unread bytes, if the settings ask for them. A peer has chosen them, so they must not reach a terminal as
 * they are. */
static void put_preview(struct text *t, const struct event *e)
{
    if (e->preview_size == 0)
        return;
    text_put(t, "safeclose:   unread: \"");
    text_plain(t, (const char *)e->preview, e->preview_size);
    text_put(t, e->preview_size < e->probe.unread ? "\"...\n" : "\"\n");
}

/* Names a mode only if it would have done something. */
static void put_fix(struct text *t, const struct event *e, const struct meaning *meaning)
{
    bool unread = e->verdict.cause == CAUSE_UNREAD_DATA;
    bool wanted = unread && e->probe.facts.zero_linger;
    enum cause cause = wanted ? CAUSE_ZERO_LINGER : e->verdict.cause;
    bool read_shut = unread && e->reason == REASON_READ_SHUT;
    bool own = meaning && *meaning->advice && !wanted && !read_shut;

    text_put(t, "safeclose:   fix: %s%s", read_shut ? "leave out the SHUT_RD half: " : "",
             own ? meaning->advice : explanation(cause, EXPLAIN_FIX));
    if (wanted || !unread || (!e->untouchable && e->reason == REASON_NONE))
        text_put(t, "; %s", explanation(cause, EXPLAIN_WITHOUT));
    else if (e->handed || e->passed)
        text_put(t, "; without touching the program, if %sSAFECLOSE_MODE=linger",
                 e->handed ? "whoever started it has closed its own copy: SAFECLOSE_INHERITED=sole "
                           : "each process can accept its own connections (Node.js cluster: "
                             "NODE_CLUSTER_SCHED_POLICY=none): ");
    text_put(t, "\n");
}

void event_text_advice(struct text *t, const struct event *e, const struct meaning *meaning)
{
    if (e->verdict.outcome == OUTCOME_UNKNOWN)
        text_put(t,
                 "safeclose:   if no other process holds the connection, the kernel resets it:\n");
    if (e->verdict.cause != CAUSE_PENDING_ACCEPTS && e->probe.unacked)
        put_loss(t, &e->probe);
    if (meaning)
        text_put(t, "safeclose:   what: %s\n", meaning->what);
    put_preview(t, e);
    put_fix(t, e, meaning);
}

void event_text_reasons(struct text *t, const struct event *e)
{
    text_put(t, "safeclose:   why: %s\nsafeclose:   peer: %s\n",
             explanation(e->verdict.cause, EXPLAIN_WHY),
             explanation(e->verdict.cause, EXPLAIN_PEER));
}
