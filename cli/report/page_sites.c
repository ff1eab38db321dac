#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/page.h"
#include "report/advice.h"
#include "report/frames.h"
#include "report/html.h"
#include "report/say.h"
#include "log/strings.h"
#include "report/words.h"

#include <string.h>

#define NAMED 8
#define TABLE_ROWS 20

static void put_fact(FILE *to, const char *name, const char *text)
{
    if (!*text)
        return;
    html_element(to, "dt", NULL, name);
    html_element(to, "dd", NULL, text);
    putc('\n', to);
}

static void put_frame(const struct report *report, FILE *to, const struct frame *frame, bool guilty)
{
    const struct frame_name *n = frames_name(report, frame);
    const char *path = strings_text(frame->module);
    char text[64];

    fprintf(to, "<li%s><code>", guilty ? " class=\"guilty\"" : "");
    if (*n->function)
        html_text(to, words_function(*n->inlined ? n->inlined : n->function), 200);
    else
        html_text(to, *path ? words_file(path) : "in no module", 100);
    snprintf(text, sizeof(text), "+0x%llx%s",
             (unsigned long long)(*n->function ? n->offset : frame->offset),
             *n->inlined ? " (inlined)" : "");
    html_text(to, text, 0);
    fputs("</code> ", to);
    if (n->line) {
        snprintf(text, sizeof(text), ":%u", n->line);
        fputs("<code class=\"line\">", to);
        html_text(to, n->file, 120);
        html_text(to, text, 0);
        fputs("</code>", to);
    } else {
        html_element(to, "span", "aside", words_plain(path, 100));
    }
    fputs("</li>\n", to);
}

static void put_stack(const struct report *report, FILE *to, const struct group *g)
{
    const struct frame *guilty = frames_guilty(report, g);

    if (!g->depth)
        return;
    fputs("<h4>Call stack</h4>\n<ol class=\"stack\">\n", to);
    for (unsigned i = 0; i < g->depth; i++)
        put_frame(report, to, &g->frames[i], &g->frames[i] == guilty);
    fputs("</ol>\n", to);
}

static void put_advice(FILE *to, const struct group *g)
{
    struct advice a;

    if (!advice_for(g, &a))
        return;
    fputs("<dl class=\"advice\">\n", to);
    put_fact(to, "What", *a.what ? a.what : a.why);
    put_fact(to, "Fix", a.fix);
    put_fact(to, "Else", a.without);
    put_fact(to, "Why", *a.what ? a.why : "");
    put_fact(to, "The peer sees", a.peer);
    fputs("</dl>\n", to);
}

static void put_facts(const struct report *report, FILE *to, struct group *g)
{
    fputs("<dl class=\"facts\">\n", to);
    put_fact(to, "Unread", say_sample(&g->unread, words_bytes));
    put_fact(to, "Content", say_tally(report, g, TALLY_CONTENT, NAMED, advice_content));
    put_fact(to, "Unacked", say_sample(&g->unacked, words_bytes));
    put_fact(to, "Unsent", say_sample(&g->unsent, words_bytes));
    put_fact(to, "Lingered", say_sample(&g->linger_ms, words_duration_ms));
    put_fact(to, "Ended", say_tally(report, g, TALLY_ENDED, NAMED, advice_ended));
    put_fact(to, "Closed by", say_tally(report, g, TALLY_VIA, NAMED, NULL));
    put_fact(to, "Port", say_tally(report, g, TALLY_PORT, NAMED, NULL));
    put_fact(to, "Peers", say_tally(report, g, TALLY_PEER, NAMED, NULL));
    put_fact(to, "Processes", say_tally(report, g, TALLY_PROCESS, NAMED, NULL));
    put_fact(to, "Hosts", say_tally(report, g, TALLY_HOST, NAMED, NULL));
    put_fact(to, "Notes", say_tally(report, g, TALLY_NOTE, NAMED, advice_note));
    put_fact(to, "First", words_time(g->totals.first, true));
    put_fact(to, "Last", words_time(g->totals.last, true));
    fputs("</dl>\n", to);
}

static void put_title(const struct report *report, FILE *to, const struct group *g)
{
    const char *label = say_label(report, g);

    fputs("<h3>", to);
    if (report->options->by == BY_SITE) {
        html_text(to, say_where(report, g, 120), 0);
        fprintf(to, " <span class=\"cause c%u\">", page_colour(report, g->cause));
        html_text(to, strings_text(g->cause), 24);
        fputs("</span> <span class=\"aside\">in ", to);
        html_text(to, label, 60);
        fputs("</span>", to);
    } else {
        html_text(to, label, 60);
    }
    fputs("</h3>\n", to);
}

static void put_group(const struct report *report, FILE *to, struct group *g, unsigned number)
{
    bool site = report->options->by == BY_SITE;
    const char *loss = say_loss(&g->totals);

    fprintf(to, "<article id=\"group-%u\">\n", number);
    put_title(report, to, g);
    html_element(to, "p", "outcome", say_outcomes(&g->totals));
    html_element(to, "p", "loss", loss);
    if (site || report->options->by == BY_CAUSE)
        put_advice(to, g);
    if (site)
        put_stack(report, to, g);
    put_facts(report, to, g);
    fputs("</article>\n", to);
}

static const char *const titles[BY_COUNT] = {"Call sites", "Causes", "Ports",   "Peers",
                                             "Processes",  "Hosts",  "Programs"};

static unsigned shown(const struct report *report)
{
    unsigned top = report->options->top, count = report->groups.count;

    return top && count > top ? top : count;
}

static void put_row(const struct report *report, FILE *to, unsigned number)
{
    const struct group *g = report->groups.sorted[number];
    const char *label = say_label(report, g);

    fprintf(to, "<tr><th><a href=\"#group-%u\">", number);
    html_text(to,
              report->options->by == BY_SITE ? say_where(report, g, 80)
              : *label                       ? label
                                             : "unknown",
              80);
    fputs("</a>", to);
    if (report->options->by == BY_SITE) {
        fputs(" <span class=\"aside\">in ", to);
        html_text(to, label, 40);
        fputs("</span>", to);
    }
    fprintf(to, "</th><td>%s</td><td>%s</td><td class=\"aside\">", words_number(g->totals.resets),
            words_bytes(g->totals.unacked));
    html_text(to, strings_text(g->cause), 24);
    fputs("</td></tr>\n", to);
}

void page_overview(const struct report *report, FILE *to)
{
    unsigned count = shown(report);

    fprintf(to, "<section>\n<h2>%s</h2>\n", titles[report->options->by]);
    if (!count)
        fputs("<p>No close had a cause for a reset.</p>\n", to);
    else
        fputs("<table>\n<thead><tr><th></th><th>Resets</th><th>Lost, at most</th><th>Cause</th>"
              "</tr></thead>\n<tbody>\n",
              to);
    for (unsigned i = 0; i < count; i++)
        put_row(report, to, i);
    if (count)
        fputs("</tbody>\n</table>\n", to);
    if (count < report->groups.count)
        fprintf(to, "<p class=\"aside\">%s more: use --top.</p>\n",
                words_number(report->groups.count - count));
    fputs("</section>\n", to);
}

void page_sites(struct report *report, FILE *to)
{
    unsigned count = shown(report);

    if (!count)
        return;
    fputs("<section>\n<h2>Details</h2>\n", to);
    for (unsigned i = 0; i < count; i++)
        put_group(report, to, report->groups.sorted[i], i);
    fputs("</section>\n", to);
}

void page_table(const struct report *report, const struct groups *groups, const char *title,
                const char *column, FILE *to)
{
    if (!groups->count)
        return;
    fprintf(to,
            "<section>\n<h2>%s</h2>\n<table>\n<thead><tr><th>%s</th><th>Resets</th><th>Lost, at "
            "most</th><th>Mended</th></tr></thead>\n<tbody>\n",
            title, column);
    for (unsigned i = 0; i < groups->count && i < TABLE_ROWS; i++) {
        const struct group *g = groups->sorted[i];
        const char *label = say_label(report, g);

        fputs("<tr><th>", to);
        html_text(to, label, 60);
        fprintf(to, "</th><td>%s</td><td>%s</td><td>%s</td></tr>\n", words_number(g->totals.resets),
                words_bytes(g->totals.unacked), words_number(g->totals.mended));
    }
    fputs("</tbody>\n</table>\n", to);
    if (groups->count > TABLE_ROWS)
        fprintf(to, "<p class=\"aside\">%s more.</p>\n", words_number(groups->count - TABLE_ROWS));
    fputs("</section>\n", to);
}
