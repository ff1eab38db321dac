#include "log/strings.h"
#include "common/say.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS 262144 /* a power of 2, more than twice as many as strings */
#define LONGEST 4096

static struct {
    char *bytes; /* zero-terminated, one after the other */
    size_t used;
    uint32_t *at; /* of each string */
    uint32_t count;
    uint32_t *slots; /* number + 1; 0 is free */
} all;

/* ---- Hashes ------------------------------------------------------------------------------------- */

static uint64_t seed(void)
{
    static uint64_t number;

    if (!number && getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint64_t)(uintptr_t)&number;
    return number |= 1;
}

/* Each bit of the input reaches all of the output. */
static uint64_t mix(uint64_t a)
{
    a = (a ^ a >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    a = (a ^ a >> 29) * UINT64_C(0xd6e8feb86659fd93);
    return a ^ a >> 32;
}

uint64_t hash_number(uint64_t from, uint64_t number)
{
    return mix(from ^ number ^ seed());
}

uint64_t hash_bytes(uint64_t from, const void *bytes, size_t len)
{
    const unsigned char *b = bytes;
    uint64_t word, hash = hash_number(from, len);

    for (; len >= 8; len -= 8, b += 8) {
        memcpy(&word, b, 8);
        hash = hash_number(hash, word);
    }
    word = 0;
    if (len)
        memcpy(&word, b, len);
    return hash_number(hash, word);
}

/* ---- Strings ------------------------------------------------------------------------------------ */

static void begin(void)
{
    static const char full[] = "(too many to tell)";

    all.bytes = malloc(MOST_STRING_BYTES);
    all.at = malloc(MOST_STRINGS * sizeof(all.at[0]));
    all.slots = calloc(SLOTS, sizeof(all.slots[0]));
    if (!all.bytes || !all.at || !all.slots) {
        unable("read logs: out of memory");
        exit(STATUS_FAILED);
    }
    strings_add("", 0);
    strings_add(full, sizeof(full) - 1);
}

uint32_t strings_add(const char *bytes, size_t len)
{
    uint64_t i;

    if (!all.bytes)
        begin();
    if (len > LONGEST)
        len = LONGEST;
    for (i = hash_bytes(0, bytes, len) % SLOTS; all.slots[i]; i = (i + 1) % SLOTS) {
        const char *text = all.bytes + all.at[all.slots[i] - 1];

        if (strncmp(text, bytes, len) == 0 && !text[len])
            return all.slots[i] - 1;
    }
    if (all.count == MOST_STRINGS || len + 1 > MOST_STRING_BYTES - all.used)
        return STRINGS_FULL;
    memcpy(all.bytes + all.used, bytes, len);
    all.bytes[all.used + len] = '\0';
    all.at[all.count] = (uint32_t)all.used;
    all.used += len + 1;
    all.slots[i] = ++all.count;
    return all.count - 1;
}

uint32_t strings_value(const struct json_value *value)
{
    char text[LONGEST];

    if (value->kind != JSON_STRING)
        return STRINGS_EMPTY;
    if (!value->escaped && !memchr(value->bytes, '\0', value->len))
        return strings_add(value->bytes, value->len);
    return strings_add(text, json_text(value, text, sizeof(text)));
}

const char *strings_text(uint32_t string)
{
    return string < all.count ? all.bytes + all.at[string] : "";
}

bool strings_full(void)
{
    return all.count == MOST_STRINGS || all.used + LONGEST >= MOST_STRING_BYTES;
}
