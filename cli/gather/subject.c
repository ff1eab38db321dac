#include "gather/subject.h"
#include "gather/summary.h"
#include "log/strings.h"

#include <string.h>

#define ORIGINS 32768

/* Where a connection was closed that may still have an end. A newer one takes the place of an older. */
static struct origin {
    uint64_t connection, stack;
} origins[ORIGINS];

/* Of a service: the local one where the peer connected, the peer's where the program did. Where nobody knows, the
 * lower one: kernels give clients high ports. */
static unsigned service_port(const struct log_event *e, unsigned local, unsigned peer)
{
    if (log_is(&e->opened_by, "program") && peer)
        return peer;
    if (log_is(&e->opened_by, "peer") || !peer)
        return local;
    return peer < local ? peer : local;
}

static uint32_t put_number(unsigned number)
{
    char text[16];

    return strings_add(text, (size_t)snprintf(text, sizeof(text), "%u", number));
}

static uint32_t process_name(const struct subject *s)
{
    const char *host = strings_text(s->host);
    char text[512];
    int len = snprintf(text, sizeof(text), "%.200s%s%.200s[%llu]", host, *host ? ":" : "",
                       strings_text(s->comm), (unsigned long long)s->event->pid);

    return strings_add(text, (size_t)len);
}

static uint64_t connection_of(const struct subject *s)
{
    const struct log_event *e = s->event;
    uint64_t key = hash_bytes(e->netns ^ (uint64_t)s->host << 33, e->cookie.bytes, e->cookie.len);

    key = hash_bytes(key, e->peer.bytes, e->peer.len);
    return hash_bytes(key, e->local.bytes, e->local.len) | 1;
}

static void find_stack(const struct report *report, struct subject *s)
{
    uint64_t connection = connection_of(s);
    struct origin *origin = &origins[connection % ORIGINS];

    if (s->is_end && origin->connection == connection)
        s->stack = stacks_find(origin->stack);
    if (!s->stack)
        s->stack =
            stacks_get(report, s->comm, s->cause, strings_value(&s->event->via), &s->event->stack);
    if (!s->is_end)
        *origin = (struct origin){connection, s->stack->key};
}

struct subject subject_of(struct report *report, const struct log_event *e)
{
    struct subject s = {.event = e, .host = gather_host(report, e)};
    const char *address;
    unsigned local, peer;
    size_t len;

    local = log_address(&e->local, &address, &len);
    peer = log_address(&e->peer, &address, &len);
    s.comm = strings_value(&e->comm);
    s.cause = strings_value(&e->cause);
    s.peer = len ? strings_add(address, len) : STRINGS_EMPTY;
    s.port = put_number(service_port(e, local, peer));
    s.process = process_name(&s);
    s.is_end = e->kind != LOG_CLOSE && e->kind != LOG_RESET;
    s.resets = log_is(&e->outcome, "rst");
    find_stack(report, &s);
    return s;
}
