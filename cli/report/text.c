/*
 * The answer first: how many resets, how much was lost. Then where, one line for each call site; then each of them with
 * what to do, the worst first; last what isn't known.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/text.h"
#include "report/advice.h"
#include "common/say.h"
#include "report/frames.h"
#include "report/layout.h"
#include "report/say.h"
#include "log/strings.h"
#include "report/text_stack.h"
#include "report/words.h"

#include <string.h>

#define NAMED 4 /* peers and the like by name */

/* ---- The beginning -------------------------------------------------------------------------------- */

static void put_period(const struct report *report, const struct layout *l)
{
    char text[256];
    bool same_day = report->first / 86400000000 == report->last / 86400000000;

    if (!report->first)
        return;
    snprintf(text, sizeof(text), "%s to %s UTC, %s in %s", words_time(report->first, true),
             words_time(report->last, !same_day), words_count(report->input.events, "event"),
             words_count(report->input.files, "file"));
    layout_wrap(l, "", text);
}

static const char *loss_of(const struct totals *t)
{
    return t->unacked ? words_bytes(t->unacked) : "-";
}

static const char *const titles[BY_COUNT] = {"where",   "cause", "port", "peer",
                                             "process", "host",  ""};

static void put_row(const struct report *report, const struct layout *l, const struct group *g)
{
    const struct totals *t = &g->totals;
    const char *label = words_plain(say_label(report, g),
                                    layout_left(l, report->options->by == BY_SITE ? 60 : 24, 16));

    fprintf(l->to, "%9s %11s  ", words_number(t->resets), loss_of(t));
    if (report->options->by == BY_SITE) {
        fprintf(l->to, "%-15s  ", words_plain(strings_text(g->cause), 15));
        fprintf(l->to, "%s in %s\n",
                say_where(report, g, layout_left(l, 44 + words_columns(label), 16)), label);
    } else {
        fprintf(l->to, "%s\n", label);
    }
}

static void put_rest(const struct report *report, const struct layout *l, unsigned shown)
{
    struct totals rest = report->groups.rest;
    uint64_t count = report->groups.put_away;

    for (uint32_t i = shown; i < report->groups.count; i++, count++)
        totals_add(&rest, &report->groups.sorted[i]->totals);
    if (count)
        fprintf(l->to, "%9s %11s  %s more\n", words_number(rest.resets), loss_of(&rest),
                words_number(count));
}

static void put_table(const struct report *report, const struct layout *l, unsigned shown)
{
    bool sites = report->options->by == BY_SITE;

    fprintf(l->to, "\n%s%9s %11s  %s%s%s\n", colour(l->to, "1"), "resets", "lost up to",
            sites ? "cause            " : "", titles[report->options->by], colour(l->to, "0"));
    for (unsigned i = 0; i < shown; i++)
        put_row(report, l, report->groups.sorted[i]);
    put_rest(report, l, shown);
}

/* ---- One call site ------------------------------------------------------------------------------- */

static void put(const struct layout *l, const char *label, const char *text)
{
    char padded[32];

    snprintf(padded, sizeof(padded), "   %-9s", label);
    if (*text)
        layout_wrap(l, padded, text);
}

static void put_advice(const struct layout *l, const struct group *g)
{
    struct advice a;
    char text[1024];

    if (!advice_for(g, &a))
        return;
    snprintf(text, sizeof(text), "%s%s%s", a.fix, *a.fix && *a.without ? "; " : "", a.without);
    put(l, "what:", *a.what ? a.what : a.why);
    put(l, "fix:", text);
}

static const char *plain_duration(uint64_t ms)
{
    return words_duration_ms(ms);
}

static void put_numbers(const struct report *report, const struct layout *l, struct group *g)
{
    char text[1536];
    const char *content;

    snprintf(text, sizeof(text), "%s", say_sample(&g->unread, words_bytes));
    content = say_tally(report, g, TALLY_CONTENT, NAMED, advice_content);
    if (*content)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? ": " : "",
                 content);
    put(l, "unread:", text);
    put(l, "unacked:", say_sample(&g->unacked, words_bytes));
    put(l, "unsent:", say_sample(&g->unsent, words_bytes));
    if (g->linger_ms.seen) {
        snprintf(text, sizeof(text), "%s", say_tally(report, g, TALLY_ENDED, NAMED, advice_ended));
        put(l, "ended:", text);
        put(l, "lingered:", say_sample(&g->linger_ms, plain_duration));
    }
}

static void put_who(const struct layout *l, const struct group *g, const struct report *report)
{
    enum report_by by = report->options->by;
    char text[1200];

    snprintf(text, sizeof(text), "%s", say_tally(report, g, TALLY_VIA, NAMED, NULL));
    if (by != BY_PORT)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "; port %s",
                 say_tally(report, g, TALLY_PORT, NAMED, NULL));
    put(l, "by:", text);
    if (by != BY_PEER)
        put(l, "peers:", say_tally(report, g, TALLY_PEER, NAMED, NULL));
    if (by != BY_PROCESS)
        put(l, "in:", say_tally(report, g, TALLY_PROCESS, NAMED, NULL));
    if (report->several_hosts && by != BY_HOST)
        put(l, "hosts:", say_tally(report, g, TALLY_HOST, NAMED, NULL));
    if (by != BY_CAUSE && by != BY_SITE)
        put(l, "causes:", say_tally(report, g, TALLY_CAUSE, NAMED, NULL));
    put(l, "notes:", say_tally(report, g, TALLY_NOTE, NAMED, advice_note));
    snprintf(
        text, sizeof(text), "%s to %s UTC", words_time(g->totals.first, true),
        words_time(g->totals.last, g->totals.last / 86400000000 != g->totals.first / 86400000000));
    put(l, "when:", text);
}

/* "1. main server.c:72 in server [unread-data]" */
static void put_title(const struct report *report, const struct layout *l, const struct group *g,
                      unsigned number)
{
    const char *label = words_plain(say_label(report, g), 24);
    const char *cause = words_plain(strings_text(g->cause), 16);

    fprintf(l->to, "\n%s%u. ", colour(l->to, "1"), number);
    if (report->options->by == BY_SITE)
        fprintf(l->to, "%s in %s [%s]",
                say_where(report, g, layout_left(l, 16 + strlen(label) + strlen(cause), 20)), label,
                cause);
    else
        fputs(label, l->to);
    fprintf(l->to, "%s\n", colour(l->to, "0"));
}

static void put_group(const struct report *report, const struct layout *l, unsigned i)
{
    struct group *g = report->groups.sorted[i];

    put_title(report, l, g, i + 1);
    put(l, "closes:", say_outcomes(&g->totals));
    fputs(colour(l->to, "31"), l->to);
    put(l, "LOSS:", say_loss(&g->totals));
    fputs(colour(l->to, "0"), l->to);
    if (report->options->by == BY_SITE || report->options->by == BY_CAUSE)
        put_advice(l, g);
    if (report->options->by == BY_SITE)
        text_stack(report, l, g);
    put_numbers(report, l, g);
    put_who(l, g, report);
}

/* ---- The end ------------------------------------------------------------------------------------- */

struct notes {
    const struct layout *layout;
    bool begun;
};

static void put_note(void *to, const char *sentence)
{
    struct notes *notes = to;

    if (!notes->begun)
        fputs("\nWhat this does not tell:\n", notes->layout->to);
    notes->begun = true;
    layout_wrap(notes->layout, " - ", sentence);
}

static void put_trouble(void *to, const char *path, const char *why)
{
    char text[512];

    snprintf(text, sizeof(text), "No names from %s: %s", words_plain(path, 200), why);
    put_note(to, text);
}

void report_text(const struct report *report, FILE *to)
{
    const struct layout l = {to, report->options->width};
    unsigned top = report->options->top, shown = report->groups.count;
    struct notes notes = {&l, false};

    if (top && shown > top)
        shown = top;
    fputs(colour(to, "1"), to);
    layout_wrap(&l, "", say_headline(report));
    fputs(colour(to, "0"), to);
    put_period(report, &l);
    if (shown > 1)
        put_table(report, &l, shown);
    for (unsigned i = 0; i < shown; i++)
        put_group(report, &l, i);
    say_unknowns(report, put_note, &notes);
    frames_trouble(put_trouble, &notes);
}
