#include "stack/eh_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The one encoding that linkers of 64-bit machines write here: 4 bytes, signed, from where they stand. */
#define RELATIVE 0x1b

/* Millions of descriptions may share one common part, which is read for each of them: so it has limits. Compilers
 * write five letters at most, and a number of 64 bits has ten digits. */
#define MOST_LETTERS 16
#define MOST_DIGITS 10

struct pair {
    int32_t function; /* both from the beginning of the index */
    int32_t description;
};

struct index {
    uint8_t marks[4]; /* version 1; the encodings of the next three */
    int32_t frames;
    uint32_t count;
    struct pair pairs[];
};

struct frames {
    const uint8_t *bytes;
    size_t size;
};

static int32_t number(const struct frames *f, size_t at)
{
    int32_t n = 0;

    if (at <= f->size && f->size - at >= sizeof(n))
        memcpy(&n, f->bytes + at, sizeof(n));
    return n;
}

/* Past a number of 7 bits a byte. What has more than 64 bits is no number, and ends the reading. */
static size_t skip_number(const struct frames *f, size_t at)
{
    size_t most = at + MOST_DIGITS;

    while (at < f->size && at < most && f->bytes[at] & 0x80)
        at++;
    return at < most ? at + 1 : f->size;
}

/* How the descriptions that belong to this common part write an address; 0 if that isn't said. `at` is after its
 * length and its zero id. */
static uint8_t encoding_of(const struct frames *f, size_t at)
{
    const char *letters = (const char *)f->bytes + at + 1;
    size_t most = at + 1 < f->size ? f->size - at - 1 : 0, count;

    if (most > MOST_LETTERS)
        most = MOST_LETTERS;
    count = strnlen(letters, most);
    if (count == most || *letters != 'z')
        return 0;
    at += 1 + count + 1;
    for (unsigned i = 0; i < 4; i++) /* alignments, the return register, the size of what follows */
        at = skip_number(f, at);
    for (letters++; *letters && at < f->size; letters++) {
        if (*letters == 'R')
            return f->bytes[at];
        if (*letters == 'P')
            at += 1 + ((f->bytes[at] & 7) == 3 ? 4 : (f->bytes[at] & 7) == 2 ? 2 : 8);
        else if (*letters == 'L')
            at++;
    }
    return 0;
}

/* The description whose length is at `at`: false if it is none, or written in another way. */
static bool describes(const struct frames *f, size_t at)
{
    size_t id = at + 4;
    uint32_t back = (uint32_t)number(f, id);

    return back && back <= id && number(f, id - back + 4) == 0 &&
           encoding_of(f, id - back + 8) == RELATIVE;
}

/* Fills in the pairs, unsorted, if there is room; returns how many there are. */
static uint32_t collect(const struct frames *f, struct pair *pairs, size_t index_at)
{
    uint32_t count = 0, length;

    for (size_t at = 0; at + 8 <= f->size; at += 4 + (size_t)length) {
        length = (uint32_t)number(f, at);
        if (length < 4 || length > f->size - at - 4)
            break;
        if (!describes(f, at))
            continue;
        if (pairs)
            pairs[count] =
                (struct pair){(int32_t)((int64_t)at + 8 + number(f, at + 8) - (int64_t)index_at),
                              (int32_t)((int64_t)at - (int64_t)index_at)};
        count++;
    }
    return count;
}

static int by_function(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;

    return a->function < b->function ? -1 : a->function > b->function;
}

size_t eh_index_add(uint8_t **frames, size_t *size)
{
    struct frames f = {*frames, *size};
    uint32_t count = collect(&f, NULL, 0);
    size_t at = (*size + 7) & ~(size_t)7;
    uint8_t *larger =
        count ? realloc(*frames, at + sizeof(struct index) + count * sizeof(struct pair)) : NULL;
    struct index *index;

    if (!larger)
        return 0;
    *frames = larger;
    f.bytes = larger;
    index = (struct index *)(void *)(larger + at);
    *index = (struct index){{1, RELATIVE, 3, 0x3b}, -(int32_t)(at + 4), count};
    collect(&f, index->pairs, at);
    qsort(index->pairs, count, sizeof(struct pair), by_function);
    *size = at + sizeof(struct index) + count * sizeof(struct pair);
    return at;
}
