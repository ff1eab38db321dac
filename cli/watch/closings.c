#include "log/strings.h"
#include "watch/closings.h"

#define MOST 262144
#define CHAINS 65536
#define LOOKED_AT 4096           /* of the newest, for the only one */
#define KEPT (65 * 1000000000LL) /* ns: TIME_WAIT is 60 s */

/* A ring in the order of time, and chains by hash through it. Peers choose their addresses, but can't know the chain.
 * Changed by this file only. */
static struct closing ring[MOST];
static uint32_t chains[CHAINS]; /* 1 more than the place of the newest; 0: none */
static uint32_t newest;
static bool full;

static uint32_t hash_of(const struct endpoint *local, const struct endpoint *peer)
{
    return hash_bytes(hash_bytes(0, local, sizeof(*local)), peer, sizeof(*peer)) % CHAINS;
}

static struct closing *find(const struct endpoint *local, const struct endpoint *peer)
{
    for (uint32_t at = chains[hash_of(local, peer)]; at; at = ring[at - 1].next)
        if (endpoint_same(&ring[at - 1].local, local) && endpoint_same(&ring[at - 1].peer, peer))
            return &ring[at - 1];
    return NULL;
}

static void unchain(uint32_t place)
{
    uint32_t *link = &chains[hash_of(&ring[place].local, &ring[place].peer)];

    while (*link && *link != place + 1)
        link = &ring[*link - 1].next;
    if (*link)
        *link = ring[place].next;
}

static struct closing *add(const struct trace_event *event)
{
    uint32_t place = newest = (newest + 1) % MOST;
    uint32_t *chain = &chains[hash_of(&event->local, &event->peer)];

    if (full)
        unchain(place);
    full |= place == MOST - 1;
    ring[place] = (struct closing){.local = event->local, .peer = event->peer, .next = *chain};
    *chain = place + 1;
    return &ring[place];
}

struct closing *closings_add(const struct trace_event *event)
{
    struct closing *c = find(&event->local, &event->peer);
    uint32_t next;

    /* Of another connection with the same ends nothing is kept. */
    if (c && c->socket == event->socket && event->time - c->time < KEPT)
        return c;
    if (!c)
        c = add(event);
    next = c->next;
    *c = (struct closing){
        .local = event->local, .peer = event->peer, .socket = event->socket, .next = next};
    return c;
}

const struct closing *closings_find(const struct endpoint *local, const struct endpoint *peer,
                                    int64_t time)
{
    const struct closing *c = find(local, peer);

    return c && time - c->time < KEPT ? c : NULL;
}

const struct closing *closings_only(const struct endpoint *local, int64_t time)
{
    const struct closing *found = NULL;

    for (uint32_t i = 0; i < LOOKED_AT; i++) {
        const struct closing *c = &ring[(newest + MOST - i) % MOST];

        if (!c->time || time - c->time > KEPT)
            break;
        if (!endpoint_same(&c->local, local))
            continue;
        if (found)
            return NULL;
        found = c;
    }
    return found;
}
