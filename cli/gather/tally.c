#include "gather/tally.h"
#include "common/say.h"
#include "log/strings.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 524288 /* a power of 2, more than twice as many as entries */

static struct {
    struct tally_entry *entries;
    uint32_t count;
    uint32_t *slots; /* entry + 1; 0 is free */
    uint64_t untold;
    uint64_t next_look; /* for entries that can go, when so many were untold */
    bool sorted;
    bool (*exists)(uint64_t group);
} all;

void tally_begin(bool (*exists)(uint64_t group))
{
    all.exists = exists;
    all.entries = malloc(TALLY_MOST * sizeof(all.entries[0]));
    all.slots = calloc(SLOTS, sizeof(all.slots[0]));
    if (!all.entries || !all.slots) {
        unable("read logs: out of memory");
        exit(STATUS_FAILED);
    }
}

static uint32_t *slot_of(uint64_t group, uint32_t kind, uint32_t string)
{
    uint64_t i = hash_number(group ^ (uint64_t)kind << 32, string) % SLOTS;

    for (; all.slots[i]; i = (i + 1) % SLOTS) {
        const struct tally_entry *e = &all.entries[all.slots[i] - 1];

        if (e->group == group && e->kind == kind && e->string == string)
            break;
    }
    return &all.slots[i];
}

/* Drops the entries of groups that are no more. Where that does not help, the next look is put off. */
static void make_room(void)
{
    uint32_t kept = 0;

    memset(all.slots, 0, SLOTS * sizeof(all.slots[0]));
    for (uint32_t i = 0; i < all.count; i++) {
        const struct tally_entry e = all.entries[i];

        if (!all.exists(e.group))
            continue;
        all.entries[kept] = e;
        *slot_of(e.group, e.kind, e.string) = ++kept;
    }
    if (kept > TALLY_MOST / 10 * 9)
        all.next_look = all.untold + TALLY_MOST;
    all.count = kept;
}

void tally_add(uint64_t group, enum tally_kind kind, uint32_t string, uint64_t times)
{
    uint32_t *slot = slot_of(group, kind, string);

    if (*slot) {
        all.entries[*slot - 1].count += times;
        return;
    }
    if (all.count == TALLY_MOST && all.untold >= all.next_look) {
        make_room();
        slot = slot_of(group, kind, string);
    }
    if (all.count == TALLY_MOST) {
        all.untold++;
        return;
    }
    all.entries[all.count] = (struct tally_entry){group, string, kind, times};
    *slot = ++all.count;
}

uint64_t tally_untold(void)
{
    return all.untold;
}

static int by_group(const struct tally_entry *a, const struct tally_entry *b)
{
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return a->kind == b->kind ? 0 : a->kind < b->kind ? -1 : 1;
}

static int compare(const void *left, const void *right)
{
    const struct tally_entry *a = left, *b = right;

    if (by_group(a, b) != 0)
        return by_group(a, b);
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(strings_text(a->string), strings_text(b->string));
}

const struct tally_entry *tally_of(uint64_t group, enum tally_kind kind, size_t *count)
{
    const struct tally_entry wanted = {.group = group, .kind = kind};
    size_t low = 0, high = all.count;

    if (!all.sorted && all.count)
        qsort(all.entries, all.count, sizeof(all.entries[0]), compare);
    all.sorted = true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (by_group(&all.entries[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < all.count && by_group(&all.entries[low + *count], &wanted) == 0)
        ++*count;
    return all.entries ? all.entries + low : NULL;
}
