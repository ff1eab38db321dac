#include "elf/member.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel starts nothing with more. */
#define MOST_HEADER_BYTES 65536
/* Far more than the library has. It bounds the work that a file can ask for. */
#define MOST_SYMBOLS 100000

#define SIZE(elf, type) ((elf)->is64 ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

bool elf_read(const struct elf *elf, uint64_t offset, void *to, size_t size)
{
    char *at = to;

    if (offset > elf->size || size > elf->size - offset)
        return false;
    while (size) {
        ssize_t n = pread(elf->fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

uint64_t elf_number(const struct elf *elf, const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    uint64_t n = 0;

    for (size_t i = 0; i < size; i++)
        n = n << 8 | b[elf->big_endian ? i : size - 1 - i];
    return n;
}

bool elf_text(const struct elf *elf, uint64_t offset, char *to, size_t cap)
{
    uint64_t left = offset < elf->size ? elf->size - offset : 0;
    size_t size = left < cap ? (size_t)left : cap;

    return size > 0 && elf_read(elf, offset, to, size) && memchr(to, '\0', size);
}

bool elf_segment(const struct elf *elf, unsigned i, struct elf_segment *segment)
{
    unsigned char bytes[sizeof(Elf64_Phdr)];
    size_t size = SIZE(elf, Phdr);

    if (i >= elf->segments || !elf_read(elf, elf->segments_at + i * size, bytes, size))
        return false;
    segment->type = (uint32_t)MEMBER(elf, bytes, Phdr, p_type);
    segment->offset = MEMBER(elf, bytes, Phdr, p_offset);
    segment->address = MEMBER(elf, bytes, Phdr, p_vaddr);
    segment->size = MEMBER(elf, bytes, Phdr, p_filesz);
    return true;
}

bool elf_first_segment(const struct elf *elf, uint32_t type, struct elf_segment *segment)
{
    for (unsigned i = 0; elf_segment(elf, i, segment); i++)
        if (segment->type == type)
            return true;
    return false;
}

bool elf_offset_of(const struct elf *elf, uint64_t address, uint64_t *offset)
{
    struct elf_segment s;

    for (unsigned i = 0; elf_segment(elf, i, &s); i++)
        if (s.type == PT_LOAD && address >= s.address && address - s.address < s.size) {
            *offset = s.offset + (address - s.address);
            return true;
        }
    return false;
}

bool elf_section(const struct elf *elf, unsigned i, struct elf_section *section)
{
    unsigned char bytes[sizeof(Elf64_Shdr)];
    size_t size = SIZE(elf, Shdr);

    if (i >= elf->sections || !elf_read(elf, elf->sections_at + i * size, bytes, size))
        return false;
    section->name = (uint32_t)MEMBER(elf, bytes, Shdr, sh_name);
    section->type = (uint32_t)MEMBER(elf, bytes, Shdr, sh_type);
    section->link = (uint32_t)MEMBER(elf, bytes, Shdr, sh_link);
    section->offset = MEMBER(elf, bytes, Shdr, sh_offset);
    section->address = MEMBER(elf, bytes, Shdr, sh_addr);
    section->size = MEMBER(elf, bytes, Shdr, sh_size);
    section->entry_size = MEMBER(elf, bytes, Shdr, sh_entsize);
    return true;
}

bool elf_section_name(const struct elf *elf, const struct elf_section *section, char *to,
                      size_t cap)
{
    return section->name < elf->section_names_size &&
           elf_text(elf, elf->section_names_at + section->name, to, cap);
}

bool elf_dynamic(const struct elf *elf, const struct elf_segment *in, unsigned i,
                 struct elf_dynamic *entry)
{
    unsigned char bytes[sizeof(Elf64_Dyn)];
    size_t size = SIZE(elf, Dyn);

    if (i >= in->size / size || in->offset > elf->size ||
        !elf_read(elf, in->offset + i * size, bytes, size))
        return false;
    entry->tag = MEMBER(elf, bytes, Dyn, d_tag);
    entry->value = MEMBER(elf, bytes, Dyn, d_un.d_val);
    return entry->tag != DT_NULL;
}

static bool is_object(const struct elf *elf, const unsigned char *symbol,
                      const struct elf_section *names, const char *name, uint64_t size)
{
    uint64_t at = MEMBER(elf, symbol, Sym, st_name);
    char text[64];

    return (MEMBER(elf, symbol, Sym, st_info) & 0xf) == STT_OBJECT &&
           MEMBER(elf, symbol, Sym, st_size) == size && at < names->size &&
           names->offset <= elf->size && elf_text(elf, names->offset + at, text, sizeof(text)) &&
           strcmp(text, name) == 0;
}

bool elf_object(const struct elf *elf, const char *name, uint64_t size, uint64_t *address)
{
    struct elf_section table, names;
    unsigned char symbol[sizeof(Elf64_Sym)];
    unsigned left = MOST_SYMBOLS;

    for (unsigned i = 0; elf_section(elf, i, &table); i++)
        if (table.type == SHT_SYMTAB && elf_section(elf, table.link, &names))
            for (uint64_t at = 0; left && at < table.size && table.offset <= elf->size &&
                                  elf_read(elf, table.offset + at, symbol, SIZE(elf, Sym));
                 at += SIZE(elf, Sym), left--)
                if (is_object(elf, symbol, &names, name, size)) {
                    *address = MEMBER(elf, symbol, Sym, st_value);
                    return true;
                }
    return false;
}

/* Sections are for tools: a file without them, or with broken ones, runs all the same. */
static void open_sections(struct elf *elf, const unsigned char *header)
{
    unsigned names = (unsigned)MEMBER(elf, header, Ehdr, e_shstrndx);
    uint64_t at = MEMBER(elf, header, Ehdr, e_shoff);
    unsigned count = (unsigned)MEMBER(elf, header, Ehdr, e_shnum);
    struct elf_section section;

    if (MEMBER(elf, header, Ehdr, e_shentsize) != SIZE(elf, Shdr) || at > elf->size ||
        count > (elf->size - at) / SIZE(elf, Shdr))
        return;
    elf->sections_at = at;
    elf->sections = count;
    if (elf_section(elf, names, &section) && section.offset <= elf->size) {
        elf->section_names_at = section.offset;
        elf->section_names_size = section.size;
    }
}

static const char *open_segments(struct elf *elf, const unsigned char *header)
{
    uint64_t bytes;

    elf->segments_at = MEMBER(elf, header, Ehdr, e_phoff);
    elf->segments = (unsigned)MEMBER(elf, header, Ehdr, e_phnum);
    bytes = elf->segments * (uint64_t)SIZE(elf, Phdr);
    if (elf->segments && MEMBER(elf, header, Ehdr, e_phentsize) != SIZE(elf, Phdr))
        return "it is damaged: its program headers have an unknown size";
    if (bytes > MOST_HEADER_BYTES)
        return "it is damaged: it has more program headers than Linux accepts";
    if (elf->segments_at > elf->size || bytes > elf->size - elf->segments_at)
        return "it is damaged or truncated: its program headers lie beyond its end";
    return NULL;
}

const char *elf_open(struct elf *elf, int fd)
{
    unsigned char header[sizeof(Elf64_Ehdr)];
    struct stat st;

    memset(elf, 0, sizeof(*elf));
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return "can't find out its size";
    elf->fd = fd;
    elf->size = (uint64_t)st.st_size;
    if (!elf_read(elf, 0, header, SELFMAG) || memcmp(header, ELFMAG, SELFMAG) != 0)
        return "it is not an ELF file";
    if (!elf_read(elf, 0, header, EI_NIDENT))
        return "it is truncated: it ends within its ELF header";
    elf->is64 = header[EI_CLASS] == ELFCLASS64;
    elf->big_endian = header[EI_DATA] == ELFDATA2MSB;
    if ((!elf->is64 && header[EI_CLASS] != ELFCLASS32) ||
        (!elf->big_endian && header[EI_DATA] != ELFDATA2LSB))
        return "it is damaged: its ELF header gives an unknown word size or byte order";
    if (!elf_read(elf, 0, header, SIZE(elf, Ehdr)))
        return "it is truncated: it ends within its ELF header";
    elf->type = (uint16_t)MEMBER(elf, header, Ehdr, e_type);
    elf->machine = (uint16_t)MEMBER(elf, header, Ehdr, e_machine);
    open_sections(elf, header);
    return open_segments(elf, header);
}
