#include "elf/reader.h"
#include "symbols/go_names.h"

#include <string.h>

/* The table's first word, by the version of Go that made it. */
enum { GO_1_2 = 0xfffffffb, GO_1_16 = 0xfffffffa, GO_1_18 = 0xfffffff0, GO_1_20 = 0xfffffff1 };

#define HEADER 8 /* magic, two zero bytes, the least instruction, the size of a pointer */

struct table {
    struct elf elf;
    uint64_t at; /* in the file */
    uint64_t size;
    uint64_t functions; /* how many */
    uint64_t text;      /* what the entries count from */
    uint64_t names;     /* from `at` */
    uint64_t
        entries;   /* from `at`: pairs of an address and a place, which counts from here, too... */
    uint64_t base; /* ...or from the beginning of the table */
    unsigned pointer;
    unsigned entry; /* bytes of a number in the pairs */
};

static uint64_t number(const struct table *t, uint64_t at, unsigned size)
{
    unsigned char bytes[8];

    if (at > t->size || size > t->size - at || !elf_read(&t->elf, t->at + at, bytes, size))
        return 0;
    return elf_number(&t->elf, bytes, size);
}

/* Word i of the header. */
static uint64_t word(const struct table *t, unsigned i)
{
    return number(t, HEADER + (uint64_t)i * t->pointer, t->pointer);
}

static bool find_section(struct table *t)
{
    struct elf_section section;
    char name[64];

    for (unsigned i = 0; elf_section(&t->elf, i, &section); i++)
        if (elf_section_name(&t->elf, &section, name, sizeof(name)) &&
            (strcmp(name, ".gopclntab") == 0 || strcmp(name, ".data.rel.ro.gopclntab") == 0)) {
            t->at = section.offset;
            t->size = section.size;
            return true;
        }
    return false;
}

static bool read_header(struct table *t)
{
    t->pointer = (unsigned)number(t, 7, 1);
    if (t->pointer != 4 && t->pointer != 8)
        return false;
    t->functions = word(t, 0);
    t->entry = t->pointer;
    switch ((uint32_t)number(t, 0, 4)) {
    case GO_1_20:
    case GO_1_18:
        t->text = word(t, 2);
        t->names = word(t, 3);
        t->base = t->entries = word(t, 7);
        t->entry = 4;
        break;
    case GO_1_16:
        t->names = word(t, 2);
        t->base = t->entries = word(t, 6);
        break;
    case GO_1_2:
        t->entries = HEADER + t->pointer;
        break;
    default:
        return false;
    }
    return t->entries < t->size && t->functions < t->size / (2 * t->entry);
}

static uint64_t start_of(const struct table *t, uint64_t i)
{
    return t->text + number(t, t->entries + i * 2 * t->entry, t->entry);
}

/* The functions are sorted, and after the last one stands where it ends. */
static bool find(const struct table *t, uint64_t address, uint64_t *index)
{
    uint64_t low = 0, high = t->functions;

    if (!high || address < start_of(t, 0) || address >= start_of(t, high))
        return false;
    while (low + 1 < high) {
        uint64_t middle = low + (high - low) / 2;

        if (start_of(t, middle) <= address)
            low = middle;
        else
            high = middle;
    }
    *index = low;
    return true;
}

bool go_name(int fd, uint64_t address, char *name, size_t cap, uint64_t *offset)
{
    struct table t = {.at = 0};
    uint64_t index, place;

    if (elf_open(&t.elf, fd) || !find_section(&t) || !read_header(&t) || !find(&t, address, &index))
        return false;
    *offset = address - start_of(&t, index);
    place = t.base + number(&t, t.entries + (index * 2 + 1) * t.entry, t.entry);
    /* A function's own record: where it begins, then where its name is. */
    place = t.names + number(&t, place + t.entry, 4);
    return place < t.size && elf_text(&t.elf, t.at + place, name, cap) && *name;
}
