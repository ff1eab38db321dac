/* What there was, by reason, process and port, the most frequent first. Bounded: 512 rows; the rest is one. */
#include "common/say.h"
#include "shim/ground/format.h"
#include "stack/stack_names.h"
#include "watch/watch.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 512
#define SHOWN 20

struct row {
    uint64_t count;
    bool received;
    enum reset_cause cause;
    char comm[16];
    uint16_t port;
    char where[48];
};

/* Changed by watch_count only. */
static struct row rows[ROWS];
static unsigned used;
static uint64_t others; /* that no row was left for */

static void set_where(struct row *row, struct known_stack *stack)
{
    const struct frame_name *name = stack ? &stack_names(stack)[stack_closer(stack)] : NULL;

    if (name)
        snprintf(row->where, sizeof(row->where), "%s",
                 name->function ? name->function : stack_file(name));
}

static bool is_same(const struct row *a, const struct row *b)
{
    return a->received == b->received && a->cause == b->cause && a->port == b->port &&
           strcmp(a->comm, b->comm) == 0 && strcmp(a->where, b->where) == 0;
}

/* A connection is known by its server's port, which is none that the kernel gives out by itself. */
static bool is_given_out(uint16_t port)
{
    static unsigned first, last;
    FILE *file = last ? NULL : fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

    if (!last && (!file || fscanf(file, "%u %u", &first, &last) != 2))
        first = 32768, last = 60999;
    if (file)
        fclose(file);
    return port >= first && port <= last;
}

static uint16_t port_of(const struct trace_event *event)
{
    uint16_t local = event->local.port, peer = event->peer.port;

    return peer && is_given_out(local) && !is_given_out(peer) ? peer : local;
}

void watch_count(const struct reset *reset)
{
    struct row row = {.received = reset->event->kind == TRACE_RECEIVED,
                      .cause = reset->why.cause,
                      .port = port_of(reset->event)};
    unsigned i = 0;

    snprintf(row.comm, sizeof(row.comm), "%s", reset->pid ? reset->comm : "");
    set_where(&row, reset->stack);
    while (i < used && !is_same(&rows[i], &row))
        i++;
    if (i == ROWS) {
        others += reset->event->weight;
        return;
    }
    if (i == used)
        rows[used++] = row;
    rows[i].count += reset->event->weight;
}

static int by_count(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    return a->count == b->count ? 0 : a->count > b->count ? -1 : 1;
}

static void say_row(const struct row *row)
{
    char bytes[128];
    struct text t = text_over(bytes, sizeof(bytes) - 1);

    text_plain(&t, row->comm, strlen(row->comm));
    bytes[t.len] = '\0';
    printf("%8llu  %-8s  %-15s  %-15s  %5u  ", (unsigned long long)row->count,
           row->received ? "received" : "sent", reset_cause_name(row->cause),
           *row->comm ? bytes : "-", row->port);
    t.len = 0;
    text_plain(&t, row->where, strlen(row->where));
    bytes[t.len] = '\0';
    printf("%s\n", *row->where ? bytes : "-");
}

static void say_totals(const struct watch_totals *t)
{
    printf("%llu reset%s sent", (unsigned long long)t->sent, t->sent == 1 ? "" : "s");
    if (t->received)
        printf(", %llu received", (unsigned long long)t->received);
    printf(" in %lld.%lld s", (long long)(t->time / 1000000000),
           (long long)(t->time / 100000000 % 10));
    printf("; %llu event%s lost", (unsigned long long)t->lost, t->lost == 1 ? "" : "s");
    if (t->lost && t->lost_by_kind)
        printf(", and with them %llu resets", (unsigned long long)t->lost_resets);
    putchar('\n');
    if (t->sampled)
        puts("Too many to look at each: one in several was, and is counted as several.");
    if (t->quiet)
        puts("Not all were written: at most 100 a second.");
}

void watch_summary_text(const struct watch_totals *totals)
{
    say_totals(totals);
    if (!used)
        return;
    qsort(rows, used, sizeof(rows[0]), by_count);
    printf("%8s  %-8s  %-15s  %-15s  %5s  %s\n", "count", "", "reason", "process", "port", "where");
    for (unsigned i = 0; i < used && i < SHOWN; i++)
        say_row(&rows[i]);
    for (unsigned i = SHOWN; i < used; i++)
        others += rows[i].count;
    if (others)
        printf("%8llu  others\n", (unsigned long long)others);
}
