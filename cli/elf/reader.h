/*
 * Reads ELF files that may hold anything: every place in them is checked against the file's size,
 * and they are read with pread, since a file that is cut while it is mapped kills its reader.
 * 32 and 64 bit, both byte orders. No allocation.
 */
#ifndef SAFECLOSE_ELF_READER_H
#define SAFECLOSE_ELF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf {
    int fd; /* the caller's */
    uint64_t size;
    bool is64;
    bool big_endian;
    uint16_t type;
    uint16_t machine;
    uint64_t segments_at;
    unsigned segments;
    uint64_t sections_at; /* sections is 0 where there are none that can be read */
    unsigned sections;
    uint64_t section_names_at;
    uint64_t section_names_size;
};

struct elf_segment {
    uint32_t type;
    uint64_t offset;
    uint64_t address;
    uint64_t size; /* in the file */
};

struct elf_section {
    uint32_t name; /* in the section names */
    uint32_t type;
    uint32_t link;
    uint64_t offset;
    uint64_t address;
    uint64_t size;
    uint64_t entry_size;
};

struct elf_dynamic {
    uint64_t tag;
    uint64_t value;
};

struct elf_symbol {
    uint64_t name; /* in the strings of its table */
    uint64_t address;
    uint64_t size;
    bool is_function; /* that this file defines */
    bool is_global;
};

/* NULL; or what is wrong with the file, as a sentence that begins with "it". */
const char *elf_open(struct elf *elf, int fd);

/* Exactly size bytes, or false. */
bool elf_read(const struct elf *elf, uint64_t offset, void *to, size_t size);

/* A number of 1, 2, 4 or 8 bytes in the file's byte order. */
uint64_t elf_number(const struct elf *elf, const void *bytes, size_t size);

/* The text at offset up to its zero byte; false where that is not within cap bytes or the file. */
bool elf_text(const struct elf *elf, uint64_t offset, char *to, size_t cap);

/* Where the byte that is loaded to this address stands in the file. */
bool elf_offset_of(const struct elf *elf, uint64_t address, uint64_t *offset);

bool elf_segment(const struct elf *elf, unsigned i, struct elf_segment *segment);
bool elf_first_segment(const struct elf *elf, uint32_t type, struct elf_segment *segment);
bool elf_section(const struct elf *elf, unsigned i, struct elf_section *section);
bool elf_section_name(const struct elf *elf, const struct elf_section *section, char *to,
                      size_t cap);

/* Entry i of the segment PT_DYNAMIC; false behind the last. */
bool elf_dynamic(const struct elf *elf, const struct elf_segment *in, unsigned i,
                 struct elf_dynamic *entry);

/* Finds the first section of this type (SHT_...), and the section with its strings. */
bool elf_table(const struct elf *elf, uint32_t type, struct elf_section *table,
               struct elf_section *strings);

/* Bytes of one entry of a symbol table, and what such an entry says. */
size_t elf_symbol_size(const struct elf *elf);
void elf_symbol(const struct elf *elf, const void *bytes, struct elf_symbol *symbol);

/* Writes the GNU build-id in hexadecimal, "" if the file has none. cap: 2 bytes for each byte of it, and 1. */
void elf_build_id(const struct elf *elf, char *to, size_t cap);

/* The address of the first data object of this name and size in .symtab; false if there is none, as in a
 * file that is stripped. */
bool elf_object(const struct elf *elf, const char *name, uint64_t size, uint64_t *address);

#endif
