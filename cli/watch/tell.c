#include "trace/monotonic.h"
#include "watch/log.h"
#include "watch/tell.h"

#define MOST_LINES 100 /* a second */
#define MOST_GENERATIONS 16

static bool is_below(pid_t pid, pid_t above)
{
    for (unsigned i = 0; pid > 0 && pid != above && i < MOST_GENERATIONS; i++)
        pid = watched_identity(pid)->parent;
    return pid == above;
}

static bool is_wanted(const struct watching *w, const struct reset *reset)
{
    return !w->options.pid || (reset->pid && is_below(reset->pid, w->options.pid));
}

static bool has_wanted_port(const struct watching *w, const struct trace_event *event)
{
    return watch_options_have_port(&w->options, event->local.port) ||
           watch_options_have_port(&w->options, event->peer.port);
}

static bool may_write(struct watching *w, int64_t time)
{
    if (time / WATCH_SECOND != w->second) {
        w->second = time / WATCH_SECOND;
        w->lines = 0;
    }
    if (w->lines++ < MOST_LINES)
        return true;
    w->totals.quiet = true;
    return false;
}

static void tell(struct watching *w, const struct trace_event *event)
{
    struct reset reset;

    if (!has_wanted_port(w, event))
        return;
    watch_log_read();
    reset_fill(&reset, event, !w->totals.sampled && !w->totals.lost);
    if (!is_wanted(w, &reset))
        return;
    *(event->kind == TRACE_SENT ? &w->totals.sent : &w->totals.received) += event->weight;
    watch_count(&reset);
    if (may_write(w, event->time))
        (w->options.json ? watch_json : watch_text)(&reset, monotonic_to_day(event->time));
}

void watch_tell_held(struct watching *w, int64_t until)
{
    struct trace_event event;

    while (watch_held_take(&event, until))
        tell(w, &event);
}

static void take_received(struct watching *w, const struct trace_event *event)
{
    struct trace_event oldest;

    /* Of those that wait the oldest makes room. */
    if (watch_held_full() && watch_held_take(&oldest, INT64_MAX))
        tell(w, &oldest);
    watch_held_put(event);
}

void watch_tell(struct watching *w, const struct trace_event *event)
{
    switch (event->kind) {
    case TRACE_SENT:
        reset_note_sent(event);
        tell(w, event);
        break;
    case TRACE_RECEIVED:
        take_received(w, event);
        break;
    case TRACE_STATE:
        reset_note_closing(event);
        break;
    default:
        watched_follow(event);
    }
}
