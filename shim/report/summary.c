#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/real.h"
#include "report/event.h"
#include "report/event_json.h"
#include "report/event_text.h"
#include "report/ledger.h"
#include "report/names.h"
#include "report/sink.h"
#include "report/summary.h"
#include "settings/config.h"
#include "settings/control.h"
#include "settings/options.h"

static unsigned long long get(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

/* ", 3 drained", where there is something to say. */
static void put_count(struct text *t, _Atomic uint64_t *counter, const char *what)
{
    if (get(counter))
        text_put(t, ", %llu %s", get(counter), what);
}

static unsigned long long resets(struct counts *c)
{
    return get(&c->outcomes[OUTCOME_RST]) + get(&c->later);
}

static void put_text(struct text *t, struct counts *c)
{
    event_text_head(t);
    text_put(t, "%llu TCP close%s: %llu RST, %llu unknown", get(&c->closes),
             get(&c->closes) == 1 ? "" : "s", resets(c), get(&c->outcomes[OUTCOME_UNKNOWN]));
    put_count(t, &c->drained, "drained");
    put_count(t, &c->draining, "draining");
    put_count(t, &c->lingering, "lingering");
    put_count(t, &c->passed, "left alone");
    put_count(t, &c->may_send, "closed while the peer could still send");
    if (get(&c->may_send))
        text_put(t, " (%llu with output unacknowledged; a later reset of those is not seen here)",
                 get(&c->at_risk));
    put_count(t, &c->forgotten,
              "still held at their close (a later reset of those is not seen here)");
    put_count(t, &c->too_early, "closed before the library was ready");
    put_count(t, &c->suppressed, "not logged (more than 100 events a second)");
    put_count(t, &c->lost, "log lines lost");
    text_put(t, resets(c) ? "; see safeclose report\n" : "\n");
}

static void put_json(struct text *t, struct counts *c, const char *given_up, bool so_far)
{
    unsigned long long closes = get(&c->closes);
    unsigned long long acted =
        get(&c->drained) + get(&c->draining) + get(&c->lingering) + get(&c->passed);

    event_json_head(t, "summary");
    event_json_comm(t);
    text_put(t, ",\"mode\":\"%s\",\"closes\":%llu,\"causes\":{\"none\":%llu",
             options_mode_name(mode_now()), get(&c->closes),
             get(&c->causes[CAUSE_NONE]) + get(&c->clean));
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        text_put(t, ",\"%s\":%llu", names_cause((enum cause)i), get(&c->causes[i]));
    text_put(t,
             "},\"actions\":{\"none\":%llu,\"drained\":%llu,\"draining\":%llu,\"lingering\":%llu,"
             "\"passed\":%llu}",
             closes > acted ? closes - acted : 0, /* others may be counting */
             get(&c->drained), get(&c->draining), get(&c->lingering), get(&c->passed));
    text_put(t, ",\"linger_ends\":{");
    for (int i = 0; i < ENDED_COUNT; i++)
        text_put(t, "%s\"%s\":%llu", i ? "," : "", names_ended((enum ended)i), get(&c->ended[i]));
    text_put(t, "},\"outcomes\":{");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        text_put(t, "\"%s\":%llu,", names_outcome((enum outcome)i), get(&c->outcomes[i]));
    text_put(t, "\"fin-or-none\":%llu},\"confirmed\":%llu,\"rst_later\":%llu", get(&c->clean),
             get(&c->confirmed), get(&c->later));
    text_put(t, ",\"peer_may_send\":%llu,\"at_risk\":%llu,\"forgotten\":%llu", get(&c->may_send),
             get(&c->at_risk), get(&c->forgotten));
    text_put(t, ",\"too_early\":%llu,\"suppressed\":%llu,\"lost\":%llu", get(&c->too_early),
             get(&c->suppressed), get(&c->lost));
    if (given_up)
        text_put(t, ",\"given_up\":\"%s\"", given_up);
    text_put(t, ",\"see\":\"safeclose report FILE\",\"so_far\":%s}\n", so_far ? "true" : "false");
}

static void write_it(const char *given_up, bool so_far)
{
    struct line *line = sink_claim();

    if (!line)
        return;
    if (sink_json()) {
        put_json(&line->text, &ledger->counts, given_up, so_far);
    } else {
        if (given_up) {
            event_text_head(&line->text);
            text_put(&line->text, "the library does nothing from here on: %s\n", given_up);
        }
        put_text(&line->text, &ledger->counts);
    }
    sink_write_log(line);
    event_log_trouble(line);
    sink_release(line);
}

/* Once for each process; of several that end at the same time, by one of them. */
static bool is_due(void)
{
    int not_yet = 0;
    uint64_t closes = get(&ledger->counts.closes) + 1;

    return boundary_is_ours() && atomic_load(&process->greeted) & TELLS &&
           atomic_compare_exchange_strong(&process->summary_written, &not_yet, 1) &&
           ledger_leave() && atomic_exchange(&ledger->closes_at_end, closes) != closes;
}

void summary_write(void)
{
    if (is_due())
        write_it(NULL, false);
}

/* Others may go on. */
void summary_write_early(const char *reason)
{
    int not_yet = 0;

    if (boundary_is_ours() && atomic_load(&process->greeted) & TELLS &&
        atomic_compare_exchange_strong(&process->summary_written, &not_yet, 1))
        write_it(reason, !ledger_leave());
}

/* Most closes ask a clock that costs no system call, and go on. */
void summary_so_far(void)
{
    bool tells = atomic_load_explicit(&process->greeted, memory_order_relaxed) & TELLS;
    uint64_t closes = get(&ledger->counts.closes);
    int64_t at = atomic_load_explicit(&ledger->so_far_at, memory_order_relaxed);
    int64_t now = config.summary && tells ? real_clock_ns(CLOCK_MONOTONIC_COARSE) : 0;

    if (now == 0 || (at && now - at < config.summary) ||
        !atomic_compare_exchange_strong(&ledger->so_far_at, &at, now) || !at)
        return;
    if (atomic_exchange(&ledger->closes_so_far, closes) != closes && boundary_is_ours())
        write_it(NULL, true);
}

/* ---- Counting -------------------------------------------------------------------------------- */

void summary_count_clean(void)
{
    bump(&ledger->counts.closes);
    bump(&ledger->counts.clean);
}

void summary_count_later(void)
{
    bump(&ledger->counts.later);
}

/* Even after a clean close data that the peer still sends resets. */
static void count_risk(const struct event *e)
{
    if (e->verdict.outcome == OUTCOME_RST || e->action == ACTION_LINGERING ||
        e->action == ACTION_DRAINING)
        return;
    if (e->risk)
        bump(&ledger->counts.may_send);
    if (e->risk == RISK_OUTPUT)
        bump(&ledger->counts.at_risk);
}

void summary_count(const struct event *e)
{
    struct counts *c = &ledger->counts;

    bump(&c->closes);
    bump(&c->causes[e->verdict.cause]);
    bump(&c->outcomes[e->verdict.outcome]);
    if (e->confirmed)
        bump(&c->confirmed);
    if (e->action == ACTION_DRAINED)
        bump(&c->drained);
    if (e->action == ACTION_DRAINING)
        bump(&c->draining);
    if (e->action == ACTION_LINGERING)
        bump(&c->lingering);
    if (e->action == ACTION_PASSED)
        bump(&c->passed);
    count_risk(e);
}
