#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "event_text.h"
#include "ground/clock.h"
#include "sink.h"
#include "sys.h"

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

static void put_outcome(struct text *t, const struct event *e)
{
    static const char *const words[OUTCOME_COUNT] = {
        [OUTCOME_NONE] = "nothing sent",
        [OUTCOME_FIN] = "FIN",
        [OUTCOME_RST] = "RST",
        [OUTCOME_UNKNOWN] = "outcome unknown",
    };
    if (e->verdict.outcome == OUTCOME_RST && !e->confirmed)
        text_put(t, "probably ");
    text_put(t, "%s", words[e->verdict.outcome]);
}

static void put_note(struct text *t, const struct event *e)
{
    static const char *const words[NOTE_COUNT] = {
#define NOTE(id, name, text) [NOTE_##id] = text,
#include "notes.def"
#undef NOTE
    };
    if (e->note == NOTE_NONE)
        return;
    text_put(t, ": %s", words[e->note]);
    if (e->note != NOTE_SHARED)
        return;
    if (e->holder >= 0)
        text_put(t, "descriptor %d", e->holder);
    else
        text_put(t, "another process");
}

static void put_unread_data(struct text *t, const struct event *e)
{
    if (e->action == ACTION_DRAINED) {
        text_amount(t, e->discarded);
        text_put(t, " drained");
        if (e->verdict.outcome == OUTCOME_RST)
            text_put(t, ", more were unread");
        else
            text_put(t, "; would have been RST");
        return;
    }
    if (e->action == ACTION_LINGERING) {
        put_unread(t, &e->probe);
        text_put(t, e->verdict.outcome == OUTCOME_NONE ? " unread; would have been RST"
                                                       : " unread; lingering; would have been RST");
        return;
    }
    if (e->action == ACTION_DRAINING) {
        put_unread(t, &e->probe);
        text_put(t, "; would have been RST");
        return;
    }
    put_unread(t, &e->probe);
    text_put(t, " unread");
    if (e->verdict.outcome == OUTCOME_RST)
        text_put(t, ", %u unacked", e->probe.unacked);
    if (e->probe.facts.zero_linger)
        text_put(t, "; asked for by the program as well");
}

static void put_pending(struct text *t, const struct probe *p)
{
    text_put(t, "%u client%s", p->facts.pending, p->facts.pending == 1 ? "" : "s");
}

/* The end of a lingering. */
static void put_end(struct text *t, const struct event *e)
{
    static const char *const words[ENDED_COUNT] = {
#define END(id, name, text) [ENDED_##id] = text,
#include "ends.def"
#undef END
    };
    text_put(t, " [%s] after %s for %llu ms, ", verdict_cause_name(e->verdict.cause),
             event_action_name(e->action), (unsigned long long)e->ms);
    text_amount(t, e->discarded);
    text_put(t, " discarded: %s\n", words[e->ended]);
}

void event_text_line(struct text *t, const struct event *e)
{
    put_head(t, e->pid ? e->pid : atomic_load(&process->pid), e->at.real);
    text_put(t, "%s(%d)", event_via_name(e->via), e->fd);
    put_endpoints(t, e);
    text_put(t, ": ");
    if (e->is_end) {
        put_outcome(t, e);
        put_end(t, e);
        return;
    }
    if (e->is_late) {
        put_outcome(t, e);
        text_put(t, " [%s] %llu ms after this close, when its last holder let go\n",
                 verdict_cause_name(e->verdict.cause), (unsigned long long)e->ms);
        return;
    }
    if (e->action == ACTION_PASSED)
        text_put(t, "left alone");
    else if (e->action == ACTION_DRAINING)
        text_put(t, "draining");
    else if (e->action == ACTION_LINGERING && e->verdict.outcome == OUTCOME_NONE)
        text_put(t, "lingering");
    else
        put_outcome(t, e);
    text_put(t, " [%s] ", verdict_cause_name(e->verdict.cause));
    switch (e->verdict.cause) {
    case CAUSE_UNREAD_DATA:
        put_unread_data(t, e);
        break;
    case CAUSE_ZERO_LINGER:
        text_put(t, "asked for by the program");
        break;
    case CAUSE_PENDING_ACCEPTS:
        text_put(t, "to ");
        put_pending(t, &e->probe);
        text_put(t, " waiting to be accepted; no mode prevents this");
        break;
    default:
        text_put(t, "%u unacked", e->probe.unacked);
        if (e->action == ACTION_LINGERING)
            text_put(t, "; lingering");
    }
    put_note(t, e);
    text_put(t, "\n");
}

struct explanation {
    const char *why;
    const char *peer;
    const char *fix;
    const char *without;
};

static const struct explanation explanations[CAUSE_COUNT] = {
#define CAUSE(id, name, why, peer, fix, without) [CAUSE_##id] = {why, peer, fix, without},
#include "causes.def"
#undef CAUSE
};

/* One line of it, with {n} replaced by the amount; nothing where the sentence is empty. */
static void put_sentence(struct text *t, const char *label, const char *sentence,
                         const struct event *e)
{
    const char *amount = strstr(sentence, "{n}");

    if (!*sentence)
        return;
    text_put(t, "safeclose:   %s: ", label);
    if (amount) {
        text_bytes(t, sentence, (size_t)(amount - sentence));
        if (e->verdict.cause == CAUSE_PENDING_ACCEPTS)
            put_pending(t, &e->probe);
        else
            put_unread(t, &e->probe);
        sentence = amount + 3;
    }
    text_put(t, "%s\n", sentence);
}

/* What hurts comes first: a loss of the program's own output stands before the reason. */
static void put_loss(struct text *t, const struct probe *p)
{
    text_put(t, "safeclose:   LOSS: up to ");
    text_amount(t, p->unacked);
    text_put(t, " of this program's output (%u never sent)\n", p->unsent);
}

/* What is unread, where the settings ask for it: of a peer's choosing, so nothing of it may reach a
 * terminal as it is. */
static void put_preview(struct text *t, const struct event *e)
{
    if (e->preview_size == 0)
        return;
    text_put(t, "safeclose:   unread: \"");
    text_plain(t, (const char *)e->preview, e->preview_size);
    text_put(t, e->preview_size < e->probe.unread ? "\"...\n" : "\"\n");
}

void event_text_explanation(struct text *t, const struct event *e, const struct meaning *meaning)
{
    const struct explanation *x = &explanations[e->verdict.cause];
    bool has_output = e->verdict.cause != CAUSE_PENDING_ACCEPTS;

    if (e->verdict.outcome == OUTCOME_UNKNOWN)
        text_put(t, "safeclose:   only if nobody else holds the connection on:\n");
    if (has_output && e->probe.unacked)
        put_loss(t, &e->probe);
    put_sentence(t, "why", x->why, e);
    if (meaning)
        put_sentence(t, "means", meaning->means, e);
    put_preview(t, e);
    put_sentence(t, "peer", x->peer, e);
    if (has_output && !e->probe.unacked)
        text_put(t, "safeclose:   loss: none here, all output was acknowledged "
                    "(a Windows peer may still discard it)\n");
}

void event_text_fix(struct text *t, const struct event *e, const struct meaning *meaning)
{
    const struct explanation *x = &explanations[e->verdict.cause];
    bool helps = e->verdict.cause != CAUSE_UNREAD_DATA || !e->untouchable;

    if (!*x->fix)
        return;
    text_put(t, "safeclose:   fix: %s", meaning && *meaning->advice ? meaning->advice : x->fix);
    text_put(t, helps ? "; %s\n" : "\n", x->without);
}
