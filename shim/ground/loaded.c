#define SAFECLOSE_MAY_CALL_LIBC
#include "safeclose.h"

#include "ground/loaded.h"

/* This object's. musl does not declare it. */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* Where one object keeps its symbols. */
struct object {
    uintptr_t base;
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint16_t *versions;
    const uint32_t *gnu_hash;
    const uint32_t *hash;
};

struct wanted {
    uint32_t hash;
    uint16_t name; /* where it begins in names */
};

struct search {
    const char *names;
    void **found;
    struct wanted wanted[LOADED_MOST];
    unsigned count;
    bool begun;
};

/* A version that is not its name's default. */
#define VERSION_HIDDEN 0x8000

static uintptr_t distance(uintptr_t a, uintptr_t b)
{
    return a - b < b - a ? a - b : b - a;
}

/* glibc adds the base to what is read here, but not where it can't write: in the kernel's own object; musl never does.
 * The right address is near the section that we are reading, the other is the base away from it. (The base may be any
 * number: before Linux 3.16 the kernel's object had addresses at the upper end.) */
static const void *table(uintptr_t base, const ElfW(Dyn) *entry)
{
    uintptr_t here = (uintptr_t)entry;
    uintptr_t as_it_is = entry->d_un.d_ptr;
    uintptr_t moved = base + as_it_is;

    return (const void *)(distance(as_it_is, here) <= distance(moved, here) ? as_it_is : moved);
}

static struct object read_object(uintptr_t base, const ElfW(Dyn) *entry)
{
    struct object object = {.base = base};

    for (; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_SYMTAB)
            object.symbols = table(base, entry);
        else if (entry->d_tag == DT_STRTAB)
            object.strings = table(base, entry);
        else if (entry->d_tag == DT_VERSYM)
            object.versions = table(base, entry);
        else if (entry->d_tag == DT_GNU_HASH)
            object.gnu_hash = table(base, entry);
        else if (entry->d_tag == DT_HASH)
            object.hash = table(base, entry);
    }
    return object;
}

static void *symbol(const struct object *object, uint32_t index, const char *name)
{
    const ElfW(Sym) *candidate = object->symbols + index;
    unsigned type = candidate->st_info & 0xf; /* ELF32_ST_TYPE, ELF64_ST_TYPE */

    if (candidate->st_shndx == SHN_UNDEF || type > STT_FUNC ||
        (object->versions && object->versions[index] & VERSION_HIDDEN) ||
        strcmp(object->strings + candidate->st_name, name) != 0)
        return NULL;
    return (void *)(object->base + candidate->st_value);
}

/* The section begins with the number of buckets, the first symbol that is hashed, the number of words of a Bloom filter
 * and its shift; then come the filter, the buckets, and a hash for each symbol, whose lowest bit ends a bucket. */
static void *by_gnu_hash(const struct object *object, uint32_t hash, const char *name)
{
    const uint32_t *head = object->gnu_hash;
    const uintptr_t *filter = (const uintptr_t *)(head + 4);
    const uint32_t *buckets = (const uint32_t *)(filter + head[2]);
    const unsigned bits = 8 * sizeof(*filter);
    uintptr_t word = filter[hash / bits & (head[2] - 1)];
    void *found = NULL;

    if (!(word >> hash % bits & word >> (hash >> head[3]) % bits & 1))
        return NULL;
    for (uint32_t index = buckets[hash % head[0]]; index >= head[1] && !found; index++) {
        uint32_t other = buckets[head[0] + index - head[1]];

        if ((other | 1) == (hash | 1))
            found = symbol(object, index, name);
        if (other & 1)
            break;
    }
    return found;
}

/* The older section tells how many symbols there are. Who has no other is small: the kernel's own object. */
static void *by_each(const struct object *object, const char *name)
{
    void *found = NULL;

    for (uint32_t index = 1; index < object->hash[1] && !found; index++)
        found = symbol(object, index, name);
    return found;
}

static int look_in(struct dl_phdr_info *loaded, size_t size, void *argument)
{
    struct search *search = argument;
    const ElfW(Dyn) *dynamic = NULL;
    struct object object;

    (void)size;
    for (unsigned i = 0; i < loaded->dlpi_phnum; i++)
        if (loaded->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)(loaded->dlpi_addr + loaded->dlpi_phdr[i].p_vaddr);
    if (!dynamic || !search->begun || dynamic == _DYNAMIC) {
        search->begun |= dynamic == _DYNAMIC;
        return 0;
    }
    object = read_object(loaded->dlpi_addr, dynamic);
    for (unsigned i = 0; i < search->count; i++) {
        const char *name = search->names + search->wanted[i].name;

        if (search->found[i])
            continue;
        if (object.gnu_hash)
            search->found[i] = by_gnu_hash(&object, search->wanted[i].hash, name);
        else if (object.hash)
            search->found[i] = by_each(&object, name);
    }
    return 0;
}

void loaded_find(enum loaded_where where, const char *names, void *found[])
{
    struct search search = {.names = names, .found = found, .begun = where == LOADED_ANY};

    for (const char *name = names; *name && search.count < LOADED_MOST; name++) {
        struct wanted *wanted = &search.wanted[search.count++];

        *wanted = (struct wanted){5381, (uint16_t)(name - names)};
        for (; *name; name++)
            wanted->hash = wanted->hash * 33 + (unsigned char)*name;
    }
    dl_iterate_phdr(look_in, &search);
}
