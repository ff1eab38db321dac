#include "gather/groups.h"
#include "common/say.h"

#include <stdlib.h>
#include <string.h>

/* A power of 2, at least twice as many as groups. */
static uint32_t slots_of(const struct groups *g)
{
    uint32_t n = 16;

    while (n < 2 * g->most)
        n *= 2;
    return n;
}

void groups_begin(struct groups *g, uint32_t most)
{
    memset(g, 0, sizeof(*g));
    g->most = most;
    g->all = calloc(most, sizeof(g->all[0]));
    g->sorted = calloc(most, sizeof(struct group *));
    g->slots = calloc(slots_of(g), sizeof(g->slots[0]));
    if (!g->all || !g->sorted || !g->slots) {
        unable("read logs: out of memory");
        exit(STATUS_FAILED);
    }
}

static int compare_totals(const struct totals *a, const struct totals *b)
{
    const uint64_t left[] = {a->unacked, a->resets, a->closes},
                   right[] = {b->unacked, b->resets, b->closes};

    for (unsigned i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        if (left[i] != right[i])
            return left[i] > right[i] ? -1 : 1;
    return a->first == b->first ? 0 : a->first < b->first ? -1 : 1;
}

static int compare(const void *left, const void *right)
{
    const struct group *a = *(struct group *const *)left, *b = *(struct group *const *)right;
    int order = compare_totals(&a->totals, &b->totals);

    return order ? order : a->key < b->key ? -1 : a->key > b->key;
}

void groups_sort(struct groups *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        g->sorted[i] = &g->all[i];
    qsort(g->sorted, g->count, sizeof(g->sorted[0]), compare);
}

void totals_add(struct totals *to, const struct totals *from)
{
    to->closes += from->closes;
    to->resets += from->resets;
    to->unconfirmed += from->unconfirmed;
    to->later += from->later;
    to->mended += from->mended;
    to->acted += from->acted;
    to->undone += from->undone;
    to->passed += from->passed;
    to->held += from->held;
    to->unknown += from->unknown;
    to->clients += from->clients;
    to->unmeasured += from->unmeasured;
    to->unacked += from->unacked;
    to->unsent += from->unsent;
    to->discarded += from->discarded;
    if (from->first && (!to->first || from->first < to->first))
        to->first = from->first;
    if (from->last > to->last)
        to->last = from->last;
}

static uint32_t *slot_of(const struct groups *g, uint64_t key)
{
    uint32_t slots = slots_of(g), i = (uint32_t)(key % slots);

    while (g->slots[i] && g->all[g->slots[i] - 1].key != key)
        i = (i + 1) % slots;
    return &g->slots[i];
}

bool groups_have(const struct groups *g, uint64_t key)
{
    return g->most && *slot_of(g, key);
}

static void put_away(struct groups *g, struct group *group)
{
    totals_add(&g->rest, &group->totals);
    g->put_away++;
    sample_free(&group->unread);
    sample_free(&group->unacked);
    sample_free(&group->unsent);
    sample_free(&group->linger_ms);
    group->key = 0;
}

static void make_room(struct groups *g)
{
    uint32_t kept = 0;

    groups_sort(g);
    for (uint32_t i = g->count / 2; i < g->count; i++)
        put_away(g, g->sorted[i]);
    memset(g->slots, 0, slots_of(g) * sizeof(g->slots[0]));
    for (uint32_t i = 0; i < g->count; i++) {
        if (!g->all[i].key)
            continue;
        if (kept != i)
            g->all[kept] = g->all[i];
        *slot_of(g, g->all[kept].key) = kept + 1;
        kept++;
    }
    g->count = kept;
}

struct group *groups_get(struct groups *g, uint64_t key)
{
    uint32_t *slot;

    key |= !key; /* 0 is none */
    slot = slot_of(g, key);
    if (*slot)
        return &g->all[*slot - 1];
    if (g->count == g->most) {
        make_room(g);
        slot = slot_of(g, key);
    }
    memset(&g->all[g->count], 0, sizeof(g->all[0]));
    g->all[g->count].key = key;
    *slot = ++g->count;
    return &g->all[*slot - 1];
}
