#include "trace/kernel_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES (2 * KERNEL_FUNCTIONS_COUNT)

static const char *const names[PLACES] = {
#define FUNCTION(id, name, other) name, other,
    KERNEL_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

/* Set by kernel_names_read. A function that isn't there ends at 0. */
static struct {
    uint64_t start;
    uint64_t end;
} places[PLACES];

/* The compiler's variants of a function are called name.isra.0 and so on; its cold part is a variant, too. */
static int place_of(const char *name)
{
    size_t len = strcspn(name, ".\t\n");

    for (unsigned i = 0; i < PLACES; i++)
        if (len && strncmp(names[i], name, len) == 0 && names[i][len] == '\0')
            return (int)i;
    return -1;
}

/* The list is in the order of addresses: a function ends where the next one begins. */
bool kernel_names_read(void)
{
    FILE *file = fopen("/proc/kallsyms", "re");
    char line[512];
    uint64_t address, end_of = 0;
    int open = -1;
    char *name;
    bool found = false;

    while (file && fgets(line, sizeof(line), file)) {
        address = strtoull(line, &name, 16);
        if (open >= 0 && address > end_of) {
            places[open].end = address;
            open = -1;
        }
        if (*name != ' ' || !name[1] || name[2] != ' ' || !address)
            continue;
        int place = place_of(name + 3);
        if (place >= 0 && !strstr(name, ".cold") && !places[place].end && open < 0) {
            places[place].start = end_of = address;
            open = place;
            found = true;
        }
    }
    if (file)
        fclose(file);
    return found;
}

unsigned kernel_names_in(const uint64_t *addresses, unsigned count)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        for (unsigned p = 0; p < PLACES; p++)
            if (addresses[i] - places[p].start < places[p].end - places[p].start)
                found |= 1U << p / 2;
    return found;
}
