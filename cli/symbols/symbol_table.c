#include "symbols/symbol_table.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* Functions within functions are rare, and not deep. It bounds what a hostile table costs. */
#define MOST_NESTED 64

struct reading {
    struct symbol_table *table;
    size_t cap;
    size_t most;
};

static bool add(struct reading *r, const struct elf_symbol *symbol)
{
    struct symbol_table *table = r->table;
    uint64_t size = symbol->size > INT32_MAX ? INT32_MAX : symbol->size;

    if (table->count == r->most)
        return false;
    if (table->count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 256;
        void *larger = realloc(table->functions, cap * sizeof(table->functions[0]));

        if (!larger)
            return false;
        table->functions = larger;
        r->cap = cap;
    }
    table->functions[table->count++] = (struct function){
        symbol->address, size & INT32_MAX, !symbol->is_global, (uint32_t)symbol->name};
    return true;
}

static bool read_symbols(struct reading *r, const struct elf *elf, const struct elf_section *from)
{
    unsigned char bytes[512 * sizeof(Elf64_Sym)];
    size_t each = elf_symbol_size(elf), chunk = sizeof(bytes) / each * each;
    struct elf_symbol symbol;

    for (uint64_t at = 0; from->size - at >= each;) {
        size_t size = from->size - at < chunk ? (size_t)((from->size - at) / each * each) : chunk;

        if (!elf_read(elf, from->offset + at, bytes, size))
            return true; /* a truncated file: what there is serves */
        for (size_t i = 0; i < size; i += each) {
            elf_symbol(elf, bytes + i, &symbol);
            if (symbol.is_function && symbol.size && symbol.name &&
                symbol.name < r->table->strings_size && !add(r, &symbol))
                return false;
        }
        at += size;
    }
    return true;
}

/* By address; of the same, larger ones first, so that going back from an address meets the innermost
 * function first. Of several names for the same code global ones are the known ones. */
static int compare(const void *left, const void *right)
{
    const struct function *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    if (a->is_local != b->is_local)
        return a->is_local ? 1 : -1;
    return a->name == b->name ? 0 : a->name < b->name ? -1 : 1;
}

/* Keeps the first of those with the same address and size. */
static void drop_aliases(struct symbol_table *table)
{
    struct function *f = table->functions;
    size_t kept = 0;

    for (size_t i = 0; i < table->count; i++)
        if (!kept || f[kept - 1].address != f[i].address || f[kept - 1].size != f[i].size)
            f[kept++] = f[i];
    table->count = kept;
}

bool symbol_table_read(struct symbol_table *table, const struct elf *elf, uint32_t type,
                       size_t most)
{
    struct reading r = {.table = table, .most = most};
    struct elf_section from, strings;

    memset(table, 0, sizeof(*table));
    if (!elf_table(elf, type, &from, &strings))
        return false;
    table->strings_at = strings.offset;
    table->strings_size = strings.size;
    if (!read_symbols(&r, elf, &from) || !table->count) {
        symbol_table_free(table);
        return false;
    }
    qsort(table->functions, table->count, sizeof(table->functions[0]), compare);
    drop_aliases(table);
    return true;
}

void symbol_table_free(struct symbol_table *table)
{
    free(table->functions);
    memset(table, 0, sizeof(*table));
}

const struct function *symbol_table_find(const struct symbol_table *table, uint64_t address)
{
    size_t low = 0, high = table->count;

    while (low < high) { /* the first that begins after the address */
        size_t middle = low + (high - low) / 2;

        if (table->functions[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low, tried = 0; i-- > 0 && tried < MOST_NESTED; tried++)
        if (address - table->functions[i].address < table->functions[i].size)
            return &table->functions[i];
    return NULL;
}

bool symbol_table_name(const struct symbol_table *table, const struct elf *elf,
                       const struct function *function, char *to, size_t cap)
{
    return elf_text(elf, table->strings_at + function->name, to, cap) && *to;
}
