/* What only names need of an ELF file: its symbol tables and its build-id. */
#include "elf/member.h"

#include <stdio.h>
#include <string.h>

/* A build-id has 20 bytes, its note 36. Linkers put a few other notes before it. */
#define MOST_NOTE_BYTES 4096

bool elf_table(const struct elf *elf, uint32_t type, struct elf_section *table,
               struct elf_section *strings)
{
    for (unsigned i = 0; elf_section(elf, i, table); i++)
        if (table->type == type)
            return elf_section(elf, table->link, strings) && table->offset <= elf->size &&
                   strings->offset <= elf->size;
    return false;
}

size_t elf_symbol_size(const struct elf *elf)
{
    return elf->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

void elf_symbol(const struct elf *elf, const void *bytes, struct elf_symbol *symbol)
{
    const unsigned char *b = bytes;
    unsigned info = (unsigned)MEMBER(elf, b, Sym, st_info);
    unsigned type = info & 0xf;

    symbol->name = MEMBER(elf, b, Sym, st_name);
    symbol->address = MEMBER(elf, b, Sym, st_value);
    symbol->size = MEMBER(elf, b, Sym, st_size);
    symbol->is_function =
        (type == STT_FUNC || type == STT_GNU_IFUNC) && MEMBER(elf, b, Sym, st_shndx) != SHN_UNDEF;
    symbol->is_global = info >> 4 != STB_LOCAL;
}

static void put_hex(char *to, size_t cap, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size && 2 * i + 2 < cap; i++)
        sprintf(to + 2 * i, "%02x", bytes[i]);
}

/* A note: sizes of name and contents, type, and both, each filled up to 4 bytes. */
static bool build_id_in(const struct elf *elf, const unsigned char *notes, size_t size, char *to,
                        size_t cap)
{
    while (size >= sizeof(Elf32_Nhdr)) {
        uint64_t name = elf_number(elf, notes, 4), contents = elf_number(elf, notes + 4, 4);
        uint64_t at = sizeof(Elf32_Nhdr) + ((name + 3) & ~UINT64_C(3));
        uint64_t whole = at + ((contents + 3) & ~UINT64_C(3));

        if (whole > size)
            return false;
        if (elf_number(elf, notes + 8, 4) == NT_GNU_BUILD_ID && name == 4 &&
            memcmp(notes + sizeof(Elf32_Nhdr), "GNU", 4) == 0) {
            put_hex(to, cap, notes + at, (size_t)contents);
            return true;
        }
        notes += whole;
        size -= (size_t)whole;
    }
    return false;
}

void elf_build_id(const struct elf *elf, char *to, size_t cap)
{
    unsigned char notes[MOST_NOTE_BYTES];
    struct elf_segment s;

    to[0] = '\0';
    for (unsigned i = 0; elf_segment(elf, i, &s); i++)
        if (s.type == PT_NOTE && s.size <= sizeof(notes) &&
            elf_read(elf, s.offset, notes, (size_t)s.size) &&
            build_id_in(elf, notes, (size_t)s.size, to, cap))
            return;
}
