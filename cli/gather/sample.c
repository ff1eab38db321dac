#include "gather/sample.h"
#include "log/strings.h"

#include <stdlib.h>
#include <string.h>

#define MOST_OF_ALL 2000000

static size_t of_all;

/* False if it must make do with what it has. */
static bool grow(struct sample *s)
{
    uint32_t cap = s->cap ? 2 * s->cap : 4;
    void *larger;

    if (s->cap == SAMPLE_MOST || of_all + cap - s->cap > MOST_OF_ALL)
        return false;
    larger = realloc(s->values, cap * sizeof(s->values[0]));
    if (!larger)
        return false;
    of_all += cap - s->cap;
    s->values = larger;
    s->cap = cap;
    return true;
}

void sample_add(struct sample *s, uint64_t value)
{
    uint32_t small = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;

    s->seen++;
    if (value > s->largest)
        s->largest = value;
    if (s->kept < s->cap || grow(s)) {
        s->values[s->kept++] = small;
    } else if (s->kept) {
        uint64_t place = hash_number((uintptr_t)s, s->seen) % s->seen;

        if (place < s->kept)
            s->values[place] = small;
    }
}

void sample_free(struct sample *s)
{
    of_all -= s->cap;
    free(s->values);
    memset(s, 0, sizeof(*s));
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return a < b ? -1 : a > b;
}

uint64_t sample_median(struct sample *s)
{
    if (!s->kept)
        return 0;
    qsort(s->values, s->kept, sizeof(s->values[0]), compare);
    return s->values[(s->kept - 1) / 2];
}
