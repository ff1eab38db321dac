/*
 * A reset as a line of JSON, at most 2048 bytes: the last frames are cut. Its keys are those of the library's events
 * where they mean the same (libsafeclose(7)).
 */
#include "shim/ground/format.h"
#include "stack/stack_names.h"
#include "watch/watch.h"
#include "watch/log.h"

#include <stdlib.h>
#include <string.h>

#define LINE 2048
#define TAIL 64 /* what has to follow the places, and the functions */

static const char *const states[] = {
    "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "SYN_RECV"};

static void put_string(struct text *t, const char *key, const char *value)
{
    text_put(t, ",\"%s\":\"", key);
    text_json(t, value, strlen(value));
    text_put(t, "\"");
}

static void put_end(struct text *t, const char *key, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT];

    endpoint_text(e, text);
    put_string(t, key, text);
}

static void put_begin(struct text *t, const char *event, int64_t now)
{
    text_put(t, "{\"v\":1,\"time\":\"");
    text_time(t, now / 1000000000, (long)(now % 1000000000), true);
    text_put(t, "\"");
    put_string(t, "event", event);
}

static void put_process(struct text *t, const struct reset *r)
{
    if (!r->pid)
        return;
    text_put(t, ",\"pid\":%d,\"tid\":%d", (int)r->pid, (int)r->tid);
    put_string(t, "comm", r->comm);
    if (*r->process->unit)
        put_string(t, "unit", r->process->unit);
    if (*r->process->container)
        put_string(t, "container", r->process->container);
    if (r->process->netns)
        text_put(t, ",\"netns\":%llu", (unsigned long long)r->process->netns);
}

/* What the library's log says of the same close. */
static void put_logged(struct text *t, const struct reset *r, int64_t now)
{
    const struct logged_close *c = watch_log_find(&r->event->local, &r->event->peer, now);

    if (!c)
        return;
    text_put(t, ",\"unread\":%llu,\"unacked\":%llu,\"unsent\":%llu", (unsigned long long)c->unread,
             (unsigned long long)c->unacked, (unsigned long long)c->unsent);
    put_string(t, "content", c->content);
    if (!r->event->cookie)
        put_string(t, "cookie", c->cookie);
}

static void put_reason(struct text *t, const struct reset *r)
{
    unsigned state = (unsigned)r->event->state;

    put_string(t, "state", state < sizeof(states) / sizeof(states[0]) ? states[state] : "");
    put_string(t, "cause", reset_cause_name(r->why.cause));
    put_string(t, "reason", r->event->reason ? r->event->reason : "");
    text_put(t, ",\"inferred\":%s", r->why.inferred ? "true" : "false");
    put_string(t, "why", r->why.words);
    if (r->late >= 0)
        text_put(t, ",\"after_close_us\":%lld,\"half_closed\":%s", (long long)(r->late / 1000),
                 r->close->half ? "true" : "false");
    if (r->close && r->close->output.asked)
        text_put(t, ",\"asked_after_close_us\":%lld,\"unacked_then\":%u,\"unsent_then\":%u",
                 (long long)((r->close->output.asked - r->close->time) / 1000),
                 r->close->output.unacked, r->close->output.unsent);
    put_string(t, "outcome", "rst");
    text_put(t, ",\"confirmed\":true");
}

/* False if it does not fit: then it is not there at all. */
static bool put_element(struct text *t, bool first, const char *path, uint64_t offset)
{
    size_t before = t->len;

    text_put(t, first ? "\"" : ",\"");
    text_json(t, path, strlen(path));
    if (offset)
        text_put(t, "+0x%llx", (unsigned long long)offset);
    text_put(t, "\"");
    if (!t->cut && t->len + TAIL < t->cap)
        return true;
    t->len = before;
    t->cut = false;
    return false;
}

/* Places as the library writes them, "path+0x1a4c"; or functions. False if some did not fit into cap. */
static bool put_frames(struct text *t, struct known_stack *known, bool places, size_t cap)
{
    const struct frame_name *names = stack_names(known);
    unsigned first = stack_first(known), i = first;
    size_t whole = t->cap;

    t->cap = cap;
    while (i < known->stack.count &&
           (places ? put_element(t, i == first, names[i].path ? names[i].path : "",
                                 known->stack.frames[i].address)
                   : put_element(t, i == first, names[i].function ? names[i].function : "", 0)))
        i++;
    t->cap = whole;
    return i == known->stack.count;
}

static void put_stack(struct text *t, struct known_stack *known)
{
    bool whole = !known || !known->stack.cut;

    put_string(t, "via", known ? stack_via(known) : "");
    text_put(t, ",\"stack\":[");
    if (known)
        whole &= put_frames(t, known, true, t->len + (t->cap - t->len) / 2);
    text_put(t, "],\"functions\":[");
    if (known)
        whole &= put_frames(t, known, false, t->cap);
    text_put(t, "],\"truncated\":%s}\n", whole ? "false" : "true");
}

void watch_json(const struct reset *r, int64_t now)
{
    char bytes[LINE];
    struct text t = text_over(bytes, sizeof(bytes));

    put_begin(&t, "reset", now);
    put_string(&t, "direction", r->event->kind == TRACE_RECEIVED ? "received" : "sent");
    put_process(&t, r);
    put_string(&t, "proto", "tcp");
    put_end(&t, "local", &r->event->local);
    put_end(&t, "peer", &r->event->peer);
    put_reason(&t, r);
    put_logged(&t, r, now);
    if (r->event->cookie)
        text_put(&t, ",\"cookie\":\"0x%llx\"", (unsigned long long)r->event->cookie);
    text_put(&t, ",\"mono_ns\":%lld,\"weight\":%u,\"ending\":%s", (long long)r->event->time,
             r->event->weight, r->ending ? "true" : "false");
    put_stack(&t, r->stack);
    fwrite(t.bytes, 1, t.len, stdout);
}

void watch_summary_json(const struct watch_totals *totals, int64_t now)
{
    char bytes[LINE];
    struct text t = text_over(bytes, sizeof(bytes));

    put_begin(&t, "watch-end", now);
    text_put(&t, ",\"sent\":%llu,\"received\":%llu,\"lost\":%llu,\"sampled\":%s,\"unwritten\":%s",
             (unsigned long long)totals->sent, (unsigned long long)totals->received,
             (unsigned long long)totals->lost, totals->sampled ? "true" : "false",
             totals->quiet ? "true" : "false");
    if (totals->lost_by_kind)
        text_put(&t, ",\"lost_resets\":%llu", (unsigned long long)totals->lost_resets);
    text_put(&t, "}\n");
    fwrite(t.bytes, 1, t.len, stdout);
}
