#include "safeclose.h"

#include "ground/sys.h"
#include "report/stack_symbol.h"

#define MOST_SECTIONS 4096

/* How much of size bytes at that place is there. */
static size_t read_at(const struct symbols *s, uint64_t offset, void *bytes, size_t size)
{
    long n = offset > INT64_MAX
                 ? -EINVAL
                 : sys4(SYS_pread64, s->fd, SYS_ARG(bytes), (long)size, (long)offset);

    return n > 0 ? (size_t)n : 0;
}

/* Replaced since, it would give the names of another program. What is loaded from a file's
 * beginning tells: the headers have the size of everything in it, and behind them linkers put the
 * build id. */
static bool is_what_was_loaded(struct symbols *s, const struct module *module, ElfW(Ehdr) *header)
{
    size_t size = read_at(s, 0, s->bytes, sizeof(s->bytes));

    memcpy(header, s->bytes, sizeof(*header));
    return size > sizeof(*header) && header->e_shentsize == sizeof(ElfW(Shdr)) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           memcmp(s->bytes, (const void *)module->start, size) == 0;
}

static bool read_section(const struct symbols *s, const ElfW(Ehdr) *header, uint64_t index,
                         ElfW(Shdr) *section)
{
    return index < header->e_shnum && read_at(s, header->e_shoff + index * sizeof(*section),
                                              section, sizeof(*section)) == sizeof(*section);
}

/* The first section of that type, and the one with its strings. */
static bool find_table(struct symbols *s, const ElfW(Ehdr) *header, uint32_t type,
                       ElfW(Shdr) *table)
{
    ElfW(Shdr) strings;

    for (unsigned i = 0; i < header->e_shnum && i < MOST_SECTIONS; i++) {
        if (!read_section(s, header, i, table))
            return false;
        if (table->sh_type != type)
            continue;
        if (!read_section(s, header, table->sh_link, &strings) || table->sh_size > s->budget ||
            table->sh_entsize != sizeof(ElfW(Sym)))
            return false;
        s->strings = strings.sh_offset;
        s->strings_size = strings.sh_size;
        return true;
    }
    return false;
}

/* The same code may have several names: what begins nearest, then a global one is preferred, and
 * among those the first. */
static void consider(struct symbols *s, const ElfW(Sym) *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    bool global = ELF64_ST_BIND(symbol->st_info) != STB_LOCAL;

    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF)
        return;
    for (unsigned i = 0; i < s->count; i++) {
        struct symbol *wanted = &s->found[i];

        if (wanted->address - symbol->st_value >= symbol->st_size ||
            (wanted->name && (wanted->start > symbol->st_value ||
                              (wanted->start == symbol->st_value && (wanted->global || !global)))))
            continue;
        wanted->start = symbol->st_value;
        wanted->name = symbol->st_name;
        wanted->global = global;
    }
}

static void search(struct symbols *s, const ElfW(Shdr) *table)
{
    const size_t chunk = sizeof(s->bytes) / sizeof(ElfW(Sym)) * sizeof(ElfW(Sym));

    s->budget -= table->sh_size;
    for (uint64_t at = 0; at < table->sh_size;) {
        uint64_t rest = table->sh_size - at;
        size_t n = read_at(s, table->sh_offset + at, s->bytes, rest < chunk ? (size_t)rest : chunk);

        n -= n % sizeof(ElfW(Sym));
        if (n == 0)
            return;
        for (size_t i = 0; i < n; i += sizeof(ElfW(Sym))) {
            ElfW(Sym) symbol;

            memcpy(&symbol, s->bytes + i, sizeof(symbol));
            consider(s, &symbol);
        }
        at += n;
    }
}

bool symbols_find(struct symbols *s, const struct module *module)
{
    /* As it was when it started, whatever has become of its name. */
    const char *path = module->is_executable ? "/proc/self/exe" : module->path;
    ElfW(Ehdr) header;
    ElfW(Shdr) table;

    for (unsigned i = 0; i < s->count; i++)
        s->found[i].name = 0;
    s->fd = (int)sys4(SYS_openat, AT_FDCWD, SYS_ARG(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (s->fd < 0 && module->is_executable)
        s->fd = (int)sys4(SYS_openat, AT_FDCWD, SYS_ARG(module->path),
                          O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (s->fd < 0)
        return false;
    if (!is_what_was_loaded(s, module, &header)) {
        symbols_close(s);
        return false;
    }
    if (find_table(s, &header, SHT_SYMTAB, &table) || find_table(s, &header, SHT_DYNSYM, &table))
        search(s, &table);
    return true;
}

const char *symbols_name(struct symbols *s, unsigned i, size_t *len)
{
    const struct symbol *symbol = &s->found[i];
    uint64_t rest = s->strings_size - symbol->name;

    if (symbol->name == 0 || symbol->name >= s->strings_size)
        return NULL;
    *len = read_at(s, s->strings + symbol->name, s->bytes,
                   rest < SYMBOL_NAME ? (size_t)rest : SYMBOL_NAME);
    *len = strnlen((const char *)s->bytes, *len);
    return *len ? (const char *)s->bytes : NULL;
}

void symbols_close(struct symbols *s)
{
    sys1(SYS_close, s->fd);
}
