#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gather/gather.h"
#include "gather/filter.h"
#include "gather/twice.h"
#include "gather/summary.h"
#include "gather/subject.h"
#include "log/strings.h"

#include <stdlib.h>
#include <string.h>

#define SITES_MOST 8192
#define OTHERS_MOST 4096

static const struct report *gathering;

static bool group_exists(uint64_t key)
{
    return groups_have(&gathering->groups, key) || groups_have(&gathering->peers, key) ||
           groups_have(&gathering->processes, key);
}

void gather_begin(struct report *report, const struct report_options *options)
{
    memset(report, 0, sizeof(*report));
    gathering = report;
    tally_begin(group_exists);
    report->options = options;
    groups_begin(&report->groups, options->by == BY_SITE ? SITES_MOST : OTHERS_MOST);
    if (options->form == FORM_HTML) {
        groups_begin(&report->peers, OTHERS_MOST);
        groups_begin(&report->processes, OTHERS_MOST);
    }
}

void gather_file(struct report *report)
{
    report->host = STRINGS_EMPTY;
}

/* ---- Adding ------------------------------------------------------------------------------------------ */

static void take_back(uint64_t *count)
{
    if (*count)
        --*count;
}

static void add_reset(struct totals *t, const struct log_event *e)
{
    t->resets += e->weight;
    t->unconfirmed += e->confirmed ? 0 : e->weight;
    t->unmeasured += e->kind == LOG_RESET && !e->output_known ? e->weight : 0;
    t->unacked += e->unacked * e->weight;
    t->unsent += e->unsent; /* of those that one stands for, nothing is certain */
    t->clients += e->pending;
}

static void add_totals(struct totals *t, const struct subject *s)
{
    const struct log_event *e = s->event;
    bool acted = log_is(&e->action, "drained") || log_is(&e->action, "draining") ||
                 log_is(&e->action, "lingering");

    if (!t->first || e->time < t->first)
        t->first = e->time;
    if (e->time > t->last)
        t->last = e->time;
    t->discarded += e->discarded;
    if (s->resets)
        add_reset(t, e);
    if (s->is_end) {
        t->later += s->resets;
        if (log_is(&e->outcome, "rst")) {
            take_back(e->kind == LOG_CLOSE_END ? &t->held : &t->mended);
            t->undone += e->kind == LOG_LINGER_END;
        }
        return;
    }
    t->closes += e->weight;
    t->acted += acted && !s->resets;
    t->mended += acted && !s->resets;
    t->passed += log_is(&e->action, "passed");
    t->held += !acted && log_is(&e->outcome, "none");
    t->unknown += log_is(&e->outcome, "unknown");
}

static void add_ports(struct group *g, const struct log_event *e)
{
    const char *address;
    size_t len;
    uint32_t local = log_address(&e->local, &address, &len),
             peer = log_address(&e->peer, &address, &len);

    g->local_ports_differ |= g->local_port && g->local_port != local;
    g->peer_ports_differ |= g->peer_port && g->peer_port != peer;
    g->local_port = local;
    g->peer_port = peer;
}

static void add_close(struct group *g, const struct subject *s)
{
    const struct log_event *e = s->event;
    uint64_t n = e->weight;

    sample_add(&g->unread, e->unread);
    sample_add(&g->unacked, e->unacked);
    sample_add(&g->unsent, e->unsent);
    add_ports(g, e);
    g->accepted += log_is(&e->opened_by, "peer") ? n : 0;
    g->opened += log_is(&e->opened_by, "program") ? n : 0;
    g->progress_known += e->progress.kind ? n : 0;
    g->untouched += log_is(&e->progress, "untouched") ? n : 0;
    g->answered += log_is(&e->progress, "answered") ? n : 0;
    g->ended += e->via.kind && memmem(e->via.bytes, e->via.len, "xit", 3) ? n : 0;
    tally_add(g->key, TALLY_VIA, strings_value(&e->via), n);
    tally_add(g->key, TALLY_PEER, s->peer, n);
    tally_add(g->key, TALLY_PORT, s->port, n);
    tally_add(g->key, TALLY_PROCESS, s->process, n);
    tally_add(g->key, TALLY_CAUSE, s->cause, n);
    if (s->host)
        tally_add(g->key, TALLY_HOST, s->host, n);
    if (e->content.len)
        tally_add(g->key, TALLY_CONTENT, strings_value(&e->content), n);
    if (e->note.len)
        tally_add(g->key, TALLY_NOTE, strings_value(&e->note), n);
}

static void add(struct groups *groups, uint64_t key, uint32_t label, const struct subject *s)
{
    struct group *g = groups_get(groups, key);

    if (!g->totals.first) {
        g->label = label;
        g->cause = s->cause;
        g->via = s->stack->via;
        g->depth = s->stack->depth;
        if (g->depth)
            memcpy(g->frames, s->stack->frames, g->depth * sizeof(g->frames[0]));
    }
    add_totals(&g->totals, s);
    if (!s->is_end)
        add_close(g, s);
    if (s->event->kind == LOG_LINGER_END) {
        sample_add(&g->linger_ms, s->event->ms);
        tally_add(g->key, TALLY_ENDED, strings_value(&s->event->ended_by), 1);
    }
}

static uint32_t label_of(enum report_by by, const struct subject *s)
{
    const uint32_t labels[BY_COUNT] = {
        [BY_SITE] = s->comm,    [BY_CAUSE] = s->cause,     [BY_PORT] = s->port,
        [BY_PEER] = s->peer,    [BY_PROCESS] = s->process, [BY_HOST] = s->host,
        [BY_PROGRAM] = s->comm,
    };

    return labels[by];
}

static uint64_t key_of(enum report_by by, uint32_t label, const struct subject *s)
{
    if (by == BY_SITE)
        return s->stack->site;
    if (by == BY_PROGRAM)
        return hash_number(hash_number(by, s->comm), s->cause);
    return hash_number(by, label);
}

static void add_by(struct groups *groups, enum report_by by, const struct subject *s)
{
    uint32_t label = label_of(by, s);

    add(groups, key_of(by, label, s), label, s);
}

static unsigned timeline_row(struct report *report, uint32_t cause)
{
    unsigned row = 0;

    while (row < report->timeline_rows && report->timeline_causes[row] != cause)
        row++;
    if (row == TIMELINE_ROWS) {
        report->timeline_causes[--row] = strings_add("other", 5);
    } else if (row == report->timeline_rows) {
        report->timeline_causes[row] = cause;
        report->timeline_rows++;
    }
    return row;
}

static void add_reset_elsewhere(struct report *report, const struct subject *s)
{
    const struct report_options *o = report->options;
    const struct log_event *e = s->event;

    timeline_add(&report->timeline, timeline_row(report, s->cause), e->time, e->weight);
    s->stack->resets += e->weight;
    s->stack->lost += e->unacked * e->weight;
    report->errors += filter_lists(o->error_causes, &e->cause) ? e->weight : 0;
}

/* Of a reset that watch has told before, an end says still what it was that lingered or was held. */
static void gather_close(struct report *report, const struct log_event *e)
{
    bool twice = gather_told_twice(e);
    struct subject s;

    if (log_is(&e->cause, "none") && !log_is(&e->outcome, "rst"))
        return;
    s = subject_of(report, e);
    if (twice && !s.is_end)
        return;
    s.resets &= !twice;
    s.stack->closes += !s.is_end;
    add_totals(&report->totals, &s);
    add_by(&report->groups, report->options->by, &s);
    if (report->options->form == FORM_HTML) {
        add_by(&report->peers, BY_PEER, &s);
        add_by(&report->processes, BY_PROCESS, &s);
    }
    if (s.resets)
        add_reset_elsewhere(report, &s);
}

/* A connection that the peer reset is none that a close here did. */
static bool is_close_here(const struct log_event *e)
{
    return e->kind == LOG_CLOSE || e->kind == LOG_CLOSE_END || e->kind == LOG_LINGER_END ||
           (e->kind == LOG_RESET && !log_is(&e->direction, "received"));
}

/* It may have counted more than it wrote. */
static void gather_watch_end(struct watches *w, const struct log_event *e)
{
    w->sampled += e->sampled;
    w->unwritten += e->unwritten;
    w->lost += e->lost;
}

/* Whatever the options choose. */
static void gather_always(struct report *report, const struct log_event *e)
{
    if (e->kind == LOG_START)
        gather_start(report, e);
    else if (e->kind == LOG_WATCH_END)
        gather_watch_end(&report->watches, e);
    else if (e->kind != LOG_RESET && is_close_here(e))
        gather_told(report, e);
}

static void gather_other(struct report *report, const struct log_event *e)
{
    if (e->kind == LOG_SUMMARY)
        gather_summary(report, e);
    else if (e->kind == LOG_OTHER)
        report->input.newer++;
    else if (e->kind == LOG_RESET)
        report->watches.received += e->weight;
}

void gather_event(struct report *report, const struct log_event *e)
{
    gather_always(report, e);
    if (e->kind == LOG_START || !filter_passes(report->options, e))
        return;
    if (!report->first || e->time < report->first)
        report->first = e->time;
    if (e->time > report->last)
        report->last = e->time;
    if (!is_close_here(e))
        gather_other(report, e);
    else
        gather_close(report, e);
}

void gather_end(struct report *report)
{
    gather_summaries_end(report);
    groups_sort(&report->groups);
    if (report->options->form == FORM_HTML) {
        groups_sort(&report->peers);
        groups_sort(&report->processes);
    }
}
