/* The report as one JSON object. Numbers are bytes, microseconds since 1970 and milliseconds; what isn't known is
 * left out. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/forms.h"
#include "report/advice.h"
#include "report/frames.h"
#include "shim/ground/format.h"
#include "report/say.h"
#include "log/strings.h"

#include <string.h>

static const char *const tally_names[TALLY_KINDS] = {
    [TALLY_VIA] = "via",           [TALLY_PEER] = "peers",     [TALLY_PORT] = "ports",
    [TALLY_PROCESS] = "processes", [TALLY_HOST] = "hosts",     [TALLY_CONTENT] = "contents",
    [TALLY_NOTE] = "notes",        [TALLY_ENDED] = "ended_by", [TALLY_CAUSE] = "causes",
};

/* A character of a string takes up to 6. */
static void put_string(FILE *to, const char *text)
{
    static char bytes[6 * 4096];
    struct text t = text_over(bytes, sizeof(bytes));

    text_json(&t, text, strlen(text));
    fprintf(to, "\"%.*s\"", (int)t.len, t.bytes);
}

static void put_key(FILE *to, const char *key, const char *text)
{
    if (*text) {
        fprintf(to, ",\"%s\":", key);
        put_string(to, text);
    }
}

static void put_number(FILE *to, const char *key, uint64_t number)
{
    fprintf(to, ",\"%s\":%llu", key, (unsigned long long)number);
}

static void put_totals(FILE *to, const struct totals *t)
{
    fprintf(to, "\"resets\":%llu", (unsigned long long)t->resets);
    put_number(to, "closes", t->closes);
    put_number(to, "unconfirmed", t->unconfirmed);
    put_number(to, "later", t->later);
    put_number(to, "mended", t->mended);
    put_number(to, "left_alone", t->passed);
    put_number(to, "held", t->held);
    put_number(to, "unknown", t->unknown);
    put_number(to, "clients", t->clients);
    put_number(to, "unmeasured", t->unmeasured);
    put_number(to, "lost_at_most", t->unacked);
    put_number(to, "lost_at_least", t->unsent);
    put_number(to, "discarded", t->discarded);
    put_number(to, "first", (uint64_t)t->first);
    put_number(to, "last", (uint64_t)t->last);
}

static void put_sample(FILE *to, const char *key, struct sample *s)
{
    if (s->seen)
        fprintf(to, ",\"%s\":{\"median\":%llu,\"largest\":%llu}", key,
                (unsigned long long)sample_median(s), (unsigned long long)s->largest);
}

static void put_tally(FILE *to, const struct group *g, enum tally_kind kind)
{
    size_t count;
    const struct tally_entry *e = tally_of(g->key, kind, &count);

    if (!count)
        return;
    fprintf(to, ",\"%s\":{", tally_names[kind]);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? "," : "", to);
        put_string(to, strings_text(e[i].string));
        fprintf(to, ":%llu", (unsigned long long)e[i].count);
    }
    putc('}', to);
}

static void put_frame(const struct report *report, FILE *to, const struct frame *frame)
{
    const struct frame_name *name = frames_name(report, frame);

    fprintf(to, "{\"address\":\"0x%llx\"", (unsigned long long)frame->offset);
    put_key(to, "module", strings_text(frame->module));
    put_key(to, "function", name->function);
    put_key(to, "inlined", name->inlined);
    put_key(to, "file", name->file);
    if (name->line)
        put_number(to, "line", name->line);
    putc('}', to);
}

static void put_stack(const struct report *report, FILE *to, const struct group *g)
{
    fputs(",\"stack\":[", to);
    for (unsigned i = 0; i < g->depth; i++) {
        fputs(i ? "," : "", to);
        put_frame(report, to, &g->frames[i]);
    }
    putc(']', to);
}

static void put_group(const struct report *report, FILE *to, struct group *g)
{
    bool site = report->options->by == BY_SITE;
    struct advice advice;

    fputs("{", to);
    put_totals(to, &g->totals);
    put_key(to, site ? "program" : "name", strings_text(g->label));
    put_sample(to, "unread", &g->unread);
    put_sample(to, "unacked", &g->unacked);
    put_sample(to, "unsent", &g->unsent);
    put_sample(to, "linger_ms", &g->linger_ms);
    for (int i = 0; i < TALLY_KINDS; i++)
        put_tally(to, g, (enum tally_kind)i);
    if (site) {
        put_key(to, "cause", strings_text(g->cause));
        put_stack(report, to, g);
    }
    if (site && advice_for(g, &advice)) {
        put_key(to, "what", advice.what);
        put_key(to, "fix", advice.fix);
        put_key(to, "without", advice.without);
        put_key(to, "why", advice.why);
    }
    putc('}', to);
}

static void put_summaries(const struct report *report, FILE *to)
{
    const struct summaries *s = &report->summaries;

    fprintf(to, ",\"summaries\":{\"families\":%llu", (unsigned long long)s->count);
    put_number(to, "closes", s->closes);
    put_number(to, "resets", s->resets);
    put_number(to, "unknown", s->unknown);
    put_number(to, "peer_may_send", s->peer_may_send);
    put_number(to, "at_risk", s->at_risk);
    put_number(to, "forgotten", s->forgotten);
    put_number(to, "too_early", s->too_early);
    put_number(to, "suppressed", s->suppressed);
    put_number(to, "lost", s->lost);
    putc('}', to);
}

static void put_watches(const struct report *report, FILE *to)
{
    const struct watches *w = &report->watches;

    fprintf(to, ",\"watches\":{\"received\":%llu", (unsigned long long)w->received);
    put_number(to, "sampled", w->sampled);
    put_number(to, "unwritten", w->unwritten);
    put_number(to, "lost", w->lost);
    putc('}', to);
}

static void put_input(const struct report *report, FILE *to)
{
    const struct input_counts *in = &report->input;

    fprintf(to, ",\"input\":{\"files\":%llu", (unsigned long long)in->files);
    put_number(to, "bytes", in->bytes);
    put_number(to, "lines", in->lines);
    put_number(to, "events", in->events);
    put_number(to, "foreign", in->foreign);
    put_number(to, "torn", in->torn);
    put_number(to, "newer", in->newer);
    put_number(to, "groups_put_away", report->groups.put_away);
    putc('}', to);
}

struct list {
    FILE *to;
    bool begun;
};

static void put_sentence(void *to, const char *sentence)
{
    struct list *list = to;

    fputs(list->begun ? "," : "", list->to);
    list->begun = true;
    put_string(list->to, sentence);
}

static void put_trouble(void *to, const char *path, const char *why)
{
    struct list *list = to;

    fputs(list->begun ? ",{\"module\":" : "{\"module\":", list->to);
    list->begun = true;
    put_string(list->to, path);
    put_key(list->to, "why", why);
    putc('}', list->to);
}

void report_json(struct report *report, FILE *to)
{
    unsigned top = report->options->top, shown = report->groups.count;
    struct list unknowns = {to, false}, modules = {to, false};

    if (top && shown > top)
        shown = top;
    fprintf(to, "{\"v\":1,\"errors\":%llu,\"totals\":{", (unsigned long long)report->errors);
    put_totals(to, &report->totals);
    putc('}', to);
    put_number(to, "group_count", report->groups.count);
    fputs(",\"groups\":[", to);
    for (unsigned i = 0; i < shown; i++) {
        fputs(i ? "," : "", to);
        put_group(report, to, report->groups.sorted[i]);
    }
    putc(']', to);
    put_summaries(report, to);
    put_watches(report, to);
    put_input(report, to);
    fputs(",\"unknowns\":[", to);
    say_unknowns(report, put_sentence, &unknowns);
    fputs("],\"modules_without_names\":[", to);
    frames_trouble(put_trouble, &modules);
    fputs("]}\n", to);
}
