/* The functions of an ELF file, sorted by address: 16 bytes each, names stay in the file. */
#ifndef SAFECLOSE_SYMBOL_TABLE_H
#define SAFECLOSE_SYMBOL_TABLE_H

#include "elf/reader.h"

struct symbol_table {
    struct function {
        uint64_t address;
        uint32_t size : 31;
        uint32_t is_local : 1;
        uint32_t name; /* in the file's strings */
    } * functions;
    size_t count;
    uint64_t strings_at; /* in the file */
    uint64_t strings_size;
};

/* Reads the functions of .symtab (SHT_SYMTAB) or .dynsym (SHT_DYNSYM). False, and an empty table, if
 * there is none with functions, or with more than `most`. */
bool symbol_table_read(struct symbol_table *table, const struct elf *elf, uint32_t type,
                       size_t most);
void symbol_table_free(struct symbol_table *table);

/* The innermost function that contains the address, or NULL. */
const struct function *symbol_table_find(const struct symbol_table *table, uint64_t address);

/* Its name, as it is in the file (mangled); false if it has none or it doesn't fit. */
bool symbol_table_name(const struct symbol_table *table, const struct elf *elf,
                       const struct function *function, char *to, size_t cap);

#endif
