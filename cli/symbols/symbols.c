#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "symbols/symbols.h"
#include "symbols/answer_time.h"
#include "common/say.h"
#include "elf/reader.h"
#include "symbols/open_below.h"
#include "symbols/source_lines.h"
#include "symbols/symbol_table.h"
#include "symbols/tool.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_MODULES 64
#define MOST_FUNCTIONS 2000000
#define MOST_LINE_TOOLS 4
/* Templates make long names. */
#define MANGLED_BYTES 4096

struct slot {
    struct module module; /* first: the caller's pointer leads back to us */
    dev_t device;
    ino_t inode;
    struct elf elf;   /* fd -1: the slot is free */
    struct elf names; /* the file that the table is in: the same, or its debug file */
    struct symbol_table table;
    bool lines; /* addr2line may be asked */
    struct tool addr2line;
    unsigned long used;
};

struct symbols {
    struct slot slots[MOST_MODULES];
    size_t functions; /* of all slots */
    unsigned long clock;
    enum symbols_how how;
    struct answer_time time;
    bool demangles;
    struct tool demangler;
};

struct symbols *symbols_new(enum symbols_how how)
{
    struct symbols *symbols = calloc(1, sizeof(*symbols));

    if (!symbols) {
        unable("read symbols: out of memory");
        exit(STATUS_FAILED);
    }
    for (unsigned i = 0; i < MOST_MODULES; i++)
        symbols->slots[i].elf.fd = symbols->slots[i].names.fd = symbols->slots[i].addr2line.fd = -1;
    symbols->how = how;
    answer_time_begin(&symbols->time, how);
    symbols->demangler.fd = -1;
    symbols->demangles = how != SYMBOLS_NAMES;
    return symbols;
}

static void empty(struct symbols *symbols, struct slot *slot)
{
    tool_stop(&slot->addr2line);
    symbols->functions -= slot->table.count;
    symbol_table_free(&slot->table);
    if (slot->names.fd >= 0 && slot->names.fd != slot->elf.fd)
        close(slot->names.fd);
    if (slot->elf.fd >= 0)
        close(slot->elf.fd);
    memset(slot, 0, sizeof(*slot));
    slot->elf.fd = slot->names.fd = slot->addr2line.fd = -1;
}

void symbols_free(struct symbols *symbols)
{
    for (unsigned i = 0; i < MOST_MODULES; i++)
        empty(symbols, &symbols->slots[i]);
    tool_stop(&symbols->demangler);
    free(symbols);
}

/* ---- Modules ------------------------------------------------------------------------------------ */

/* The one that was not used for longest; free ones were never used. */
static struct slot *oldest(struct symbols *symbols, bool with_table, bool with_tool,
                           const struct slot *but)
{
    struct slot *found = NULL;

    for (unsigned i = 0; i < MOST_MODULES; i++) {
        struct slot *s = &symbols->slots[i];

        if (s != but && (!with_table || s->table.count) && (!with_tool || s->addr2line.fd >= 0) &&
            (!found || s->used < found->used))
            found = s;
    }
    return found;
}

static bool read_table(struct symbols *symbols, struct slot *slot, const struct elf *elf,
                       uint32_t type)
{
    struct slot *other;

    if (!symbol_table_read(&slot->table, elf, type, MOST_FUNCTIONS))
        return false;
    symbols->functions += slot->table.count;
    while (symbols->functions > MOST_FUNCTIONS && (other = oldest(symbols, true, false, slot)))
        empty(symbols, other);
    slot->names = *elf;
    return true;
}

/* The debug file is used only if it has the same build-id inside. */
static bool read_debug_file(struct symbols *symbols, struct slot *slot, const char *root)
{
    const char *id = slot->module.build_id;
    char path[64 + BUILD_ID_BYTES], found[BUILD_ID_BYTES] = "";
    const char *why;
    struct elf debug;
    int fd;

    if (strlen(id) < 4)
        return false;
    snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
    fd = open_below(root, path, &why);
    if (fd < 0)
        return false;
    if (!elf_open(&debug, fd))
        elf_build_id(&debug, found, sizeof(found));
    if (strcmp(found, id) == 0 && read_table(symbols, slot, &debug, SHT_SYMTAB))
        return true;
    close(fd);
    return false;
}

static void load(struct symbols *symbols, struct slot *slot, const char *root)
{
    slot->module.wrong = elf_open(&slot->elf, slot->elf.fd);
    if (slot->module.wrong)
        return;
    elf_build_id(&slot->elf, slot->module.build_id, sizeof(slot->module.build_id));
    if (!read_table(symbols, slot, &slot->elf, SHT_SYMTAB) &&
        !read_debug_file(symbols, slot, root) && !read_table(symbols, slot, &slot->elf, SHT_DYNSYM))
        slot->module.no_names = "it is stripped";
    slot->lines = symbols->how != SYMBOLS_NAMES && !root && source_lines_allowed(slot->elf.fd);
}

static struct slot *known(struct symbols *symbols, const struct stat *st)
{
    for (struct slot *s = symbols->slots; s < symbols->slots + MOST_MODULES; s++)
        if (s->elf.fd >= 0 && s->device == st->st_dev && s->inode == st->st_ino &&
            s->module.changed.tv_sec == st->st_ctim.tv_sec &&
            s->module.changed.tv_nsec == st->st_ctim.tv_nsec)
            return s;
    return NULL;
}

static const struct module *unreadable(const char *why)
{
    static struct module module;

    module.wrong = why;
    return &module;
}

const struct module *symbols_module(struct symbols *symbols, const char *root, const char *path)
{
    const char *why;
    int fd = open_below(root, path, &why);
    struct slot *slot;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return unreadable(why ? why : strerror(errno));
    slot = known(symbols, &st);
    if (slot) {
        close(fd);
    } else {
        slot = oldest(symbols, false, false, NULL);
        empty(symbols, slot);
        slot->elf.fd = fd;
        slot->device = st.st_dev;
        slot->inode = st.st_ino;
        slot->module.changed = st.st_ctim;
        load(symbols, slot, root);
        slot->elf.fd = fd;
    }
    slot->used = ++symbols->clock;
    return &slot->module;
}

/* ---- Addresses ---------------------------------------------------------------------------------- */

static bool is_mangled(const char *name)
{
    return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R') && !strpbrk(name, " \n\r\t");
}

void symbols_demangle(struct symbols *symbols, char *name, size_t cap)
{
    static char program[] = "c++filt";
    static char no_parameters[] = "-p";
    char *arguments[] = {program, no_parameters, NULL};
    char line[MANGLED_BYTES];
    int most, left;

    if (!symbols->demangles || !is_mangled(name) || !(most = answer_time_one(&symbols->time)))
        return;
    if (symbols->demangler.fd < 0)
        symbols->demangles = tool_start(&symbols->demangler, arguments, -1);
    if (!symbols->demangles)
        return;
    left = most;
    if (tool_say(&symbols->demangler, name) && tool_say(&symbols->demangler, "\n") &&
        tool_hear(&symbols->demangler, line, sizeof(line), &left) && *line && strlen(line) < cap)
        strcpy(name, line);
    answer_time_took(&symbols->time, &symbols->demangler, most - left);
}

static void find_line(struct symbols *symbols, struct slot *slot, uint64_t address,
                      struct place *place)
{
    unsigned running = 0;
    int most, left;

    if (!slot->lines || !(most = answer_time_one(&symbols->time)))
        return;
    for (unsigned i = 0; i < MOST_MODULES; i++)
        running += symbols->slots[i].addr2line.fd >= 0;
    if (slot->addr2line.fd < 0) {
        if (running == MOST_LINE_TOOLS)
            tool_stop(&oldest(symbols, false, true, slot)->addr2line);
        slot->lines = source_lines_open(&slot->addr2line, slot->elf.fd);
    }
    if (!slot->lines)
        return;
    left = most;
    source_lines_find(&slot->addr2line, address, place, &left);
    answer_time_took(&symbols->time, &slot->addr2line, most - left);
    slot->lines = slot->addr2line.fd >= 0;
}

bool symbols_find(struct symbols *symbols, const struct module *module, uint64_t address,
                  struct place *place)
{
    struct slot *slot = (struct slot *)module; /* NOLINT: ours, not the caller's to write */
    const struct function *function;
    char name[MANGLED_BYTES];

    memset(place, 0, sizeof(*place));
    if (module->wrong || module->no_names)
        return false;
    function = symbol_table_find(&slot->table, address);
    if (!function || !symbol_table_name(&slot->table, &slot->names, function, name, sizeof(name)))
        return false;
    place->offset = address - function->address;
    symbols_demangle(symbols, name, sizeof(name));
    memccpy(place->function, name, 0, sizeof(place->function) - 1); /* the rest is zero already */
    find_line(symbols, slot, address, place);
    return true;
}
