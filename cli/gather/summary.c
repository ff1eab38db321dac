/*
 * A family of processes writes summaries so far, each of which holds all since its beginning, and one at its end.
 * Nothing in them names the family. So a summary takes the place of the one so far of the same program, of the same
 * file, whose count of closes is the nearest below its own.
 */
#include "gather/summary.h"
#include "gather/filter.h"
#include "log/strings.h"

#include <stdlib.h>
#include <string.h>

#define MOST_RUNNING 1024

static struct running {
    uint32_t comm, host;
    struct summaries so_far;
} running[MOST_RUNNING];
static unsigned running_count;

uint32_t gather_host(struct report *report, const struct log_event *e)
{
    if (e->host.kind != JSON_NONE) {
        report->host = strings_value(&e->host);
        report->several_hosts |= report->first_host && report->first_host != report->host;
        report->first_host = report->host;
    }
    return report->host;
}

void gather_start(struct report *report, const struct log_event *e)
{
    uint32_t path = strings_value(&e->executable), id = strings_value(&e->build_id);
    struct executable_seen *seen = report->executables;

    gather_host(report, e);
    while (seen < report->executables + report->executable_count && seen->path != path)
        seen++;
    if (seen == report->executables + EXECUTABLES_MOST)
        return;
    if (seen == report->executables + report->executable_count) {
        report->executable_count++;
        *seen = (struct executable_seen){.path = path, .build_id = id};
    }
    report->builds += seen->build_id != id;
    seen->build_id = id;
}

/* A number of an object in a summary; 0 if it isn't there. */
static uint64_t count_in(const struct json_value *object, const char *name)
{
    struct json_value key, value;
    struct json json;
    uint64_t n = 0;

    json_begin(&json, object->bytes, object->kind == JSON_OBJECT ? object->len : 0);
    while (json_member(&json, &key, &value))
        if (log_is(&key, name) && json_number(&value, UINT32_MAX, &n))
            break;
    return n;
}

/* Closes with one of the causes that --error-exitcode asks for. */
static uint64_t listed_in(const struct report_options *o, const struct json_value *causes)
{
    struct json_value key, value;
    struct json json;
    uint64_t n, sum = 0;

    json_begin(&json, causes->bytes, causes->kind == JSON_OBJECT ? causes->len : 0);
    while (json_member(&json, &key, &value))
        if (filter_lists(o->error_causes, &key) && json_number(&value, UINT32_MAX, &n))
            sum += n;
    return sum;
}

static void add(struct summaries *to, const struct summaries *from)
{
    to->count += from->count;
    to->closes += from->closes;
    to->resets += from->resets;
    to->unknown += from->unknown;
    to->peer_may_send += from->peer_may_send;
    to->at_risk += from->at_risk;
    to->forgotten += from->forgotten;
    to->too_early += from->too_early;
    to->suppressed += from->suppressed;
    to->lost += from->lost;
    to->later += from->later;
    to->listed += from->listed;
}

static struct running *predecessor(uint32_t comm, uint32_t host, uint64_t closes)
{
    struct running *found = NULL;

    for (struct running *r = running; r < running + running_count; r++)
        if (r->comm == comm && r->host == host && r->so_far.closes <= closes &&
            (!found || r->so_far.closes > found->so_far.closes))
            found = r;
    return found;
}

void gather_summary(struct report *report, const struct log_event *e)
{
    struct summaries s = {
        .count = 1,
        .closes = e->closes,
        .resets = count_in(&e->outcomes, "rst") + e->rst_later,
        .unknown = count_in(&e->outcomes, "unknown"),
        .peer_may_send = e->peer_may_send,
        .at_risk = e->at_risk,
        .forgotten = e->forgotten,
        .too_early = e->too_early,
        .suppressed = e->suppressed,
        .lost = e->lost,
        .later = e->rst_later,
        .listed = listed_in(report->options, &e->causes),
    };
    uint32_t comm = strings_value(&e->comm);
    uint32_t host = gather_host(report, e);
    struct running *r = predecessor(comm, host, e->closes);

    if (!e->so_far) {
        add(&report->summaries, &s);
        if (r)
            *r = running[--running_count];
        return;
    }
    if (!r && running_count < MOST_RUNNING)
        r = &running[running_count++];
    if (r)
        *r = (struct running){comm, host, s};
}

void gather_told(struct report *report, const struct log_event *e)
{
    bool resets = log_is(&e->outcome, "rst");

    report->told.resets += resets;
    report->told.later += resets && e->kind != LOG_CLOSE;
    report->told.listed +=
        e->kind == LOG_CLOSE && filter_lists(report->options->error_causes, &e->cause);
}

/* A summary counts each cause and each outcome, but not both together: a close that was mended has a cause, too. */
bool gather_may_lack_errors(const struct report *report)
{
    const struct summaries *s = &report->summaries, *told = &report->told;

    if (report->watches.unwritten)
        return true;
    return s->suppressed + s->lost && s->resets > told->resets && s->listed &&
           (s->listed > told->listed || s->later > told->later);
}

void gather_summaries_end(struct report *report)
{
    for (unsigned i = 0; i < running_count; i++)
        add(&report->summaries, &running[i].so_far);
}
