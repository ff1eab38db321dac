#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "report/event.h"
#include "report/event_json.h"
#include "report/event_stack.h"
#include "report/event_text.h"
#include "report/ledger.h"
#include "report/sink.h"
#include "settings/config.h"
#include "settings/control.h"
#include "settings/options.h"

/* One more event in this second? The second stands in the upper half of the word, the events below.
 */
bool event_admit(void)
{
    struct timespec now = {0, 0};
    uint64_t word = atomic_load(&ledger->second);
    uint64_t next;

    sys2(SYS_clock_gettime, CLOCK_MONOTONIC, SYS_ARG(&now));
    do {
        bool same = word >> 32 == (uint32_t)now.tv_sec;

        if (same && (uint32_t)word >= EVENT_RATE) {
            atomic_fetch_add(&ledger->counts.suppressed, 1);
            return false;
        }
        next = same ? word + 1 : (uint64_t)now.tv_sec << 32 | 1;
    } while (!atomic_compare_exchange_weak(&ledger->second, &word, next));
    return true;
}

/* The first return addresses and the cause: a helper that many functions call is explained once for each of them. */
#define SITE_FRAMES 4

static uint64_t site_of(const struct event *e, const struct stack *stack)
{
    const uint64_t odd = 0x9e3779b97f4a7c15;
    uint64_t key = ((uint64_t)(uintptr_t)e->call_site << 3 | e->verdict.cause) * odd;

    for (unsigned i = 0; i < stack->count && i < SITE_FRAMES; i++)
        key = (key ^ stack->frames[i] ^ key >> 32) * odd;
    return key ? key : odd;
}

/* Whether this site is seen for the first time. If the table is full, nothing more is explained. */
static bool first_of_site(uint64_t key)
{
    unsigned at = (unsigned)(key >> 57);

    for (unsigned i = 0; i < LEDGER_SITES; i++) {
        uint64_t empty = 0;
        _Atomic uint64_t *slot = &ledger->sites[(at + i) % LEDGER_SITES];

        if (atomic_compare_exchange_strong(slot, &empty, key))
            return true;
        if (empty == key)
            return false;
    }
    return false;
}

/* A connection that was held at its close is explained when it has been reset. */
static bool may_explain(const struct event *e)
{
    return mode_now() == MODE_WARN && e->verdict.cause != CAUSE_NONE && !e->probe.facts.mptcp &&
           (e->verdict.outcome == OUTCOME_RST || e->verdict.outcome == OUTCOME_UNKNOWN) &&
           !e->is_end;
}

static void explain(struct line *line, const struct event *e, void (*write_line)(struct line *))
{
    const struct meaning *meaning = meaning_of(e->verdict.cause, e->content, e->whose, e->when);

    event_text_advice(&line->text, e, meaning);
    event_stack_text(line, &line->stack, write_line);
    event_text_reasons(&line->text, e);
}

static void begin_problem(struct text *t)
{
    if (!sink_json()) {
        event_text_head(t);
        return;
    }
    event_json_head(t, "problem");
    event_json_comm(t);
    text_put(t, ",\"problem\":\"");
}

static void end_problem(struct text *t)
{
    text_put(t, sink_json() ? "\"}\n" : "\n");
}

static bool put_trouble(struct text *t)
{
    bool put;

    begin_problem(t);
    put = sink_put_trouble(t);
    end_problem(t);
    return put;
}

struct line *event_problem_begin(void)
{
    struct line *line = sink_claim();

    if (line)
        begin_problem(&line->text);
    return line;
}

void event_problem_end(struct line *line)
{
    end_problem(&line->text);
    sink_write_log(line);
    event_log_trouble(line);
    sink_release(line);
}

void event_log_trouble(struct line *line)
{
    if (!sink_has_trouble())
        return;
    line->text.len = 0;
    if (put_trouble(&line->text))
        sink_write_log(line);
}

void event_emit(const struct event *e)
{
    bool json = sink_json();
    void (*write_line)(struct line *) = json ? sink_write_stderr : sink_write_log;
    bool explains = may_explain(e);
    struct line *line = sink_claim();

    if (!line)
        return;
    line->stack.count = 0;
    if (e->stack)
        line->stack = *e->stack;
    else if (!e->is_end && (json || explains))
        stack_capture(&line->stack, mode_stack(), e->call_site);
    explains = explains && first_of_site(site_of(e, &line->stack));
    if (json) {
        event_json_close(&line->text, e, &line->stack);
        sink_write_log(line);
        line->text.len = 0;
    }
    if (!json || explains)
        event_text_line(&line->text, e);
    if (explains)
        explain(line, e, write_line);
    write_line(line);
    event_log_trouble(line);
    sink_release(line);
}

/* What is wrong with the settings, a line each, for people. */
static void tell_problems(struct line *line)
{
    const char *p = config_problems()->bytes;
    const char *end = p + config_problems()->len;

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = newline ? (size_t)(newline - p) : (size_t)(end - p);

        line->text.len = 0;
        event_text_head(&line->text);
        text_bytes(&line->text, p, len);
        text_put(&line->text, "\n");
        if (sink_json())
            sink_write_stderr(line);
        else
            sink_write_log(line);
        p += len + 1;
    }
    line->text.len = 0;
}

/* The first line of a family. */
static void announce(struct line *line)
{
    line->text.len = 0;
    if (sink_json()) {
        event_json_start(&line->text);
    } else {
        event_text_head(&line->text);
        text_put(&line->text, "watching closes; mode %s%s\n", options_mode_name(mode_now()),
                 mode_now() >= MODE_DRAIN ? "" : " changes nothing");
    }
    sink_write_log(line);
}

void event_announce(void)
{
    struct line *line = atomic_load(&ledger->announced) ? NULL : sink_claim();

    if (!line)
        return;
    if (!atomic_exchange(&ledger->announced, 1)) {
        if (config_problems()->len)
            tell_problems(line);
        announce(line);
    }
    sink_release(line);
}
