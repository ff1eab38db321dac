#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "event.h"
#include "event_json.h"
#include "event_text.h"
#include "options.h"
#include "sink.h"
#include "summary.h"
#include "settings/control.h"

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

static void put_text(struct text *t, struct counts *c, const char *given_up)
{
    if (given_up) {
        event_text_head(t);
        text_put(t, "passing every close through from here on: %s\n", given_up);
    }
    event_text_head(t);
    text_put(t, "%llu TCP close%s: %llu RST, %llu unknown", get(&c->closes),
             get(&c->closes) == 1 ? "" : "s", get(&c->outcomes[OUTCOME_RST]),
             get(&c->outcomes[OUTCOME_UNKNOWN]));
    put_count(t, &c->drained, "drained");
    put_count(t, &c->draining, "draining");
    put_count(t, &c->lingering, "lingering");
    put_count(t, &c->passed, "left alone");
    put_count(t, &c->at_risk,
              "with output unacknowledged while the peer could still send "
              "(a later reset of those is not seen here)");
    put_count(t, &boundary_too_early, "closed before the library was ready");
    put_count(t, &c->suppressed, "not logged (more than 100 events a second)");
    put_count(t, &c->lost, "log lines lost");
    text_put(t, "\n");
}

static void put_json(struct text *t, struct counts *c, const char *given_up)
{
    event_json_head(t, "summary");
    event_json_comm(t);
    text_put(t, ",\"mode\":\"%s\",\"closes\":%llu,\"causes\":{\"none\":%llu",
             options_mode_name(mode_now()), get(&c->closes),
             get(&c->causes[CAUSE_NONE]) + get(&c->clean));
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        text_put(t, ",\"%s\":%llu", verdict_cause_name((enum cause)i), get(&c->causes[i]));
    text_put(t,
             "},\"actions\":{\"none\":%llu,\"drained\":%llu,\"draining\":%llu,\"lingering\":%llu,"
             "\"passed\":%llu}",
             get(&c->closes) - get(&c->drained) - get(&c->draining) - get(&c->lingering) -
                 get(&c->passed),
             get(&c->drained), get(&c->draining), get(&c->lingering), get(&c->passed));
    text_put(t, ",\"linger_ends\":{");
    for (int i = 0; i < ENDED_COUNT; i++)
        text_put(t, "%s\"%s\":%llu", i ? "," : "", event_ended_name((enum ended)i),
                 get(&c->ended[i]));
    text_put(t, "},\"outcomes\":{");
    for (int i = 0; i < OUTCOME_COUNT; i++)
        text_put(t, "\"%s\":%llu,", verdict_outcome_name((enum outcome)i), get(&c->outcomes[i]));
    text_put(t, "\"fin-or-none\":%llu},\"at_risk\":%llu", get(&c->clean), get(&c->at_risk));
    text_put(t, ",\"too_early\":%llu,\"suppressed\":%llu,\"lost\":%llu", get(&boundary_too_early),
             get(&c->suppressed), get(&c->lost));
    if (given_up)
        text_put(t, ",\"given_up\":\"%s\"", given_up);
    text_put(t, "}\n");
}

static void write_once(const char *given_up)
{
    struct counts *c = &process->counts;
    struct line *line;
    int not_yet = 0;

    if (!boundary_is_ours())
        return;
    if (get(&c->closes) == 0 && (mode_now() == MODE_OFF || (atomic_load(&process->greeted) == 0 &&
                                                            get(&boundary_too_early) == 0)))
        return;
    if (!atomic_compare_exchange_strong(&process->ended, &not_yet, 1))
        return;
    line = sink_claim();
    if (!line)
        return;
    if (sink_json())
        put_json(&line->text, c, given_up);
    else
        put_text(&line->text, c, given_up);
    sink_write_log(line);
    event_log_trouble(line);
    sink_release(line);
}

void summary_write(void)
{
    write_once(NULL);
}

void summary_write_early(const char *reason)
{
    write_once(reason);
}
