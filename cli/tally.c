#include "tally.h"
#include "cli.h"
#include "strings.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 524288 /* a power of 2, more than twice as many as entries */

static struct {
    struct tally_entry *entries;
    uint32_t count;
    uint32_t *slots; /* entry + 1; 0 is free */
    uint64_t untold;
    bool sorted;
} all;

static void begin(void)
{
    all.entries = malloc(TALLY_MOST * sizeof(all.entries[0]));
    all.slots = calloc(SLOTS, sizeof(all.slots[0]));
    if (!all.entries || !all.slots) {
        unable("read logs: out of memory");
        exit(STATUS_FAILED);
    }
}

void tally_add(uint64_t group, enum tally_kind kind, uint32_t string)
{
    uint64_t i = hash_number(group ^ (uint64_t)kind << 32, string) % SLOTS;

    if (!all.entries)
        begin();
    for (; all.slots[i]; i = (i + 1) % SLOTS) {
        struct tally_entry *e = &all.entries[all.slots[i] - 1];

        if (e->group == group && e->kind == kind && e->string == string) {
            e->count++;
            return;
        }
    }
    if (all.count == TALLY_MOST) {
        all.untold++;
        return;
    }
    all.entries[all.count] = (struct tally_entry){group, string, kind, 1};
    all.slots[i] = ++all.count;
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
