#define SAFECLOSE_MAY_CALL_LIBC
#include "safeclose.h"

#include "ground/loaded.h"

/* This object's. musl does not declare it. */
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* One object in memory, and where it keeps its symbols. */
struct object {
    uintptr_t base;
    uintptr_t begin;
    uintptr_t end;
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint16_t *versions;
    const uint32_t *gnu_hash;
    const uint32_t *hash;
    bool is_ours;
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
    unsigned missing;
    bool begun;
};

/* A version that is not its name's default. */
#define VERSION_HIDDEN 0x8000

/* glibc adds the base to what is read here, but not where it can't write: in the kernel's own object; musl never does. What
 * has it is an address in the object. */
static const void *table(const struct object *object, const ElfW(Dyn) *entry)
{
    uintptr_t address = entry->d_un.d_ptr;

    if (address < object->begin || address >= object->end)
        address += object->base;
    return (const void *)address;
}

/* False if it has no symbols, or they are ours. */
static bool read_object(struct object *object, const struct dl_phdr_info *loaded)
{
    const ElfW(Dyn) *dynamic = NULL;

    *object = (struct object){.base = loaded->dlpi_addr, .begin = UINTPTR_MAX};
    for (unsigned i = 0; i < loaded->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &loaded->dlpi_phdr[i];
        uintptr_t begin = object->base + part->p_vaddr;

        if (part->p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)begin;
        if (part->p_type != PT_LOAD)
            continue;
        if (begin < object->begin)
            object->begin = begin;
        if (begin + part->p_memsz > object->end)
            object->end = begin + part->p_memsz;
    }
    object->is_ours = dynamic == _DYNAMIC;
    if (!dynamic || object->is_ours)
        return false;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB)
            object->symbols = table(object, dynamic);
        else if (dynamic->d_tag == DT_STRTAB)
            object->strings = table(object, dynamic);
        else if (dynamic->d_tag == DT_VERSYM)
            object->versions = table(object, dynamic);
        else if (dynamic->d_tag == DT_GNU_HASH)
            object->gnu_hash = table(object, dynamic);
        else if (dynamic->d_tag == DT_HASH)
            object->hash = table(object, dynamic);
    }
    return true;
}

static void *symbol(const struct object *object, uint32_t index, const char *name)
{
    const ElfW(Sym) *candidate = object->symbols + index;
    unsigned type = candidate->st_info & 0xf; /* ELF32_ST_TYPE, ELF64_ST_TYPE */

    if (candidate->st_shndx == SHN_UNDEF || type > STT_FUNC ||
        candidate->st_info >> 4 == STB_LOCAL ||
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

/* The older section: the number of buckets and of symbols, the buckets' first symbols, and of each symbol the next in
 * its bucket. */
static void *by_hash(const struct object *object, const char *name)
{
    const uint32_t *head = object->hash;
    const uint32_t *buckets = head + 2;
    uint32_t hash = 0;
    void *found = NULL;

    for (const char *c = name; *c; c++) {
        hash = (hash << 4) + (unsigned char)*c;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    for (uint32_t i = buckets[hash % head[0]]; i && !found; i = buckets[head[0] + i])
        found = symbol(object, i, name);
    return found;
}

static int look_in(struct dl_phdr_info *loaded, size_t size, void *argument)
{
    struct search *search = argument;
    struct object object;

    (void)size;
    if (!read_object(&object, loaded)) {
        search->begun |= object.is_ours;
        return 0;
    }
    for (unsigned i = 0; i < search->count && search->begun; i++) {
        const char *name = search->names + search->wanted[i].name;

        if (search->found[i])
            continue;
        if (object.gnu_hash && object.gnu_hash[0] && object.gnu_hash[2])
            search->found[i] = by_gnu_hash(&object, search->wanted[i].hash, name);
        else if (object.hash && object.hash[0])
            search->found[i] = by_hash(&object, name);
        search->missing -= search->found[i] != NULL;
    }
    return search->missing == 0;
}

void loaded_find(enum loaded_where where, const char *names, void *found[])
{
    struct search search = {.names = names, .found = found, .begun = where == LOADED_ANY};

    for (const char *name = names; *name && search.count < LOADED_MOST; name++) {
        struct wanted *wanted = &search.wanted[search.count];

        search.missing += !found[search.count++];
        *wanted = (struct wanted){5381, (uint16_t)(name - names)};
        for (; *name; name++)
            wanted->hash = wanted->hash * 33 + (unsigned char)*name;
    }
    if (search.missing)
        dl_iterate_phdr(look_in, &search);
}
