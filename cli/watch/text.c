/* A reset, as a person reads it: what, why, who, where. A stack is shown once, then referred to by its time. */
#include "common/say.h"
#include "shim/ground/format.h"
#include "stack/stack_names.h"
#include "watch/watch.h"
#include "watch/lines.h"
#include "watch/log.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>

#define LINE 1024
#define WIDTH 80

/* ---- Lines ---------------------------------------------------------------------------------------- */

static void put_end(struct text *t, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT];

    endpoint_text(e, text);
    watch_put_plain(t, text);
}

/* From 1 us to days, with two digits or more. */
static void put_duration(struct text *t, int64_t ns)
{
    if (ns < 10000000)
        text_put(t, "%lld.%03llu ms", (long long)(ns / 1000000),
                 (unsigned long long)(ns / 1000 % 1000));
    else if (ns < 10000000000)
        text_put(t, "%lld ms", (long long)(ns / 1000000));
    else
        text_put(t, "%lld s", (long long)(ns / 1000000000));
}

/* ---- What, why, who ------------------------------------------------------------------------------- */

static void say_what(struct text *t, const struct reset *r, int64_t now)
{
    watch_put_clock(t, now);
    text_put(t, " RST %s ", r->event->kind == TRACE_RECEIVED ? "received" : "sent");
    put_end(t, &r->event->local);
    text_put(t, r->event->kind == TRACE_RECEIVED ? " <- " : " -> ");
    put_end(t, &r->event->peer);
    text_put(t, " [%s]", reset_cause_name(r->why.cause));
    watch_put_line(t);
}

static void say_why(struct text *t, const struct reset *r)
{
    const char *source =
        r->why.inferred ? "inferred: this kernel gives no reason" : r->event->reason;

    text_put(t, "  why: %s", r->why.words);
    if (source && t->len + strlen(source) + 3 > WIDTH) {
        watch_put_line(t);
        text_put(t, "      ");
    }
    if (source) {
        text_put(t, " (");
        watch_put_plain(t, source);
        text_put(t, ")");
    }
    watch_put_line(t);
}

/* Words that fit into the line, each further line below the first. */
static void put_wrapped(struct text *t, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, " ");

        if (t->len + 1 + len > WIDTH) {
            watch_put_line(t);
            text_put(t, "       ");
        } else if (t->bytes[t->len - 1] != ' ')
            text_put(t, " ");
        text_bytes(t, text, len);
        text += len;
        text += strspn(text, " ");
    }
    watch_put_line(t);
}

/* Once for each place, or each cause without a place, as the stack. */
static void say_fix(struct text *t, const struct reset *r, int64_t now)
{
    static int64_t said[RESET_CAUSES];
    int64_t *last = r->stack ? &r->stack->shown : &said[r->why.cause];
    const char *fix = reset_cause_fix(r->why.cause);

    if (!*fix || (*last && now - *last < WATCH_AGAIN))
        return;
    if (!r->stack)
        *last = now;
    text_put(t, "  fix: ");
    put_wrapped(t, fix);
}

static void say_logged(struct text *t, const struct reset *r, int64_t now)
{
    const struct logged_close *c = watch_log_find(&r->event->local, &r->event->peer, now);

    if (!c)
        return;
    text_put(t, "  log: ");
    text_amount(t, c->unread);
    text_put(t, " unread");
    if (*c->content) {
        text_put(t, " (");
        watch_put_plain(t, c->content);
        text_put(t, ")");
    }
    text_put(t, ", ");
    text_amount(t, c->unacked);
    text_put(t, c->unacked ? " of output lost at most" : " unacked");
    watch_put_line(t);
}

/* Of the states in which the peer has acknowledged our FIN, and so all that was before it. */
static bool has_arrived(const struct reset *r)
{
    return r->event->state == TCP_FIN_WAIT2 || r->event->state == TCP_TIME_WAIT;
}

/* Output that the reset has thrown away, of a connection that was closed before it. */
static void say_lost(struct text *t, const struct reset *r)
{
    const struct closing_output *o = r->close ? &r->close->output : NULL;

    if (!o || r->why.cause != RESET_LATE_DATA || !(o->asked || has_arrived(r)))
        return;
    text_put(t, "  lost: ");
    if (has_arrived(r) || !o->unacked) {
        text_put(t, "no output: all of it had arrived");
    } else {
        text_put(t, "at most ");
        text_amount(t, o->unacked);
        text_put(t, " of output, ");
        text_amount(t, o->unsent);
        text_put(t, " of it unsent ");
        put_duration(t, o->asked - r->close->time);
        text_put(t, " after the close");
    }
    watch_put_line(t);
}

/* Of another network namespace: the same address may be there twice. */
static void put_namespace(struct text *t, uint64_t netns)
{
    static struct stat own;

    if (!own.st_ino && stat("/proc/self/ns/net", &own) != 0)
        return;
    if (netns && netns != own.st_ino)
        text_put(t, ", netns %llu", (unsigned long long)netns);
}

static void say_who(struct text *t, const struct reset *r)
{
    text_put(t, "  who: ");
    if (r->pid) {
        watch_put_plain(t, *r->comm ? r->comm : "process");
        text_put(t, "[%d]", (int)r->pid);
        if (*r->process->unit)
            text_put(t, ", ");
        watch_put_plain(t, r->process->unit);
        if (*r->process->container)
            text_put(t, ", container ");
        watch_put_plain(t, r->process->container);
        put_namespace(t, r->process->netns);
    } else if (r->why.cause == RESET_NO_SOCKET)
        text_put(t, "nobody: the kernel answered a packet");
    else if (r->why.cause == RESET_LATE_DATA)
        text_put(t, "unknown: its close was not seen, or is more than a minute ago");
    else
        text_put(t, "unknown: the kernel did it in nobody's name");
    watch_put_line(t);
}

/* ---- Where ---------------------------------------------------------------------------------------- */

static void say_where(struct text *t, const struct reset *r, int64_t now)
{
    if (!r->pid)
        return;
    text_put(t, "  at:  ");
    if (r->ending)
        text_put(t, "its end: the process ended with the connection open");
    else if (!r->stack)
        text_put(t, "unknown: no stack could be read");
    else
        text_put(t, "%s", *stack_via(r->stack) ? stack_via(r->stack) : "a system call");
    if (r->late >= 0) {
        text_put(t, ", ");
        put_duration(t, r->late);
        text_put(t, " before this reset");
    }
    watch_put_line(t);
    if (r->stack)
        watch_put_stack(t, r->stack, now);
}

void watch_text(const struct reset *reset, int64_t now)
{
    char bytes[LINE];
    struct text t = text_over(bytes, sizeof(bytes));

    say_what(&t, reset, now);
    say_why(&t, reset);
    say_fix(&t, reset, now);
    say_who(&t, reset);
    say_logged(&t, reset, now);
    say_lost(&t, reset);
    say_where(&t, reset, now);
}
