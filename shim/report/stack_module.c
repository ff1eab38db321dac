#include "safeclose.h"

#include "ground/real.h"
#include "ground/sys.h"
#include "report/stack.h"
#include "settings/config.h"

/* ---- What is in memory ----------------------------------------------------------------------- */

/* Larger program headers than linkers make are not in the first page, which is surely there. */
#define HEADERS_WITHIN 2048
#define MOST_SEGMENTS 32

/* What the program headers tell, as they were loaded with the rest. */
static bool read_headers(struct module *m)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)m->start;
    const ElfW(Phdr) *s = (const ElfW(Phdr) *)(m->start + header->e_phoff);
    const ElfW(Phdr) *first = NULL;
    const ElfW(Phdr) *frames = NULL;

    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff > HEADERS_WITHIN ||
        header->e_phnum > MOST_SEGMENTS)
        return false;
    for (unsigned i = header->e_phnum; i-- > 0;) {
        if (s[i].p_type == PT_LOAD)
            first = &s[i];
        if (s[i].p_type == PT_GNU_EH_FRAME)
            frames = &s[i];
    }
    if (!first)
        return false;
    m->bias = m->start - (first->p_vaddr & ~(uintptr_t)4095);
    for (unsigned i = 0; i < header->e_phnum && frames; i++)
        if (s[i].p_type == PT_LOAD && s[i].p_flags & PF_R &&
            frames->p_vaddr - s[i].p_vaddr < s[i].p_filesz) {
            m->tables = (const uint8_t *)(m->bias + s[i].p_vaddr);
            m->tables_end = m->tables + s[i].p_filesz;
            m->eh_frame_hdr = (const uint8_t *)(m->bias + frames->p_vaddr);
        }
    return true;
}

/* ---- By libc's own list, which can be asked without a lock (glibc 2.35) ------------------------- */

static bool by_libc(uintptr_t address, struct module *m)
{
    struct real_object object;

    if (!real_find_object(address, &object))
        return false;
    m->start = (uintptr_t)object.start;
    m->end = (uintptr_t)object.end;
    m->path = object.map->l_name;
    return read_headers(m);
}

/* ---- By /proc/self/maps ------------------------------------------------------------------------ */

/* Lines of it, of which what does not fit into the name is skipped. */
struct maps {
    int fd;
    unsigned at;
    unsigned len;
    char bytes[256];
};

static int next_byte(struct maps *maps)
{
    if (maps->at == maps->len) {
        long n = sys3(SYS_read, maps->fd, SYS_ARG(maps->bytes), sizeof(maps->bytes));

        maps->at = 0;
        maps->len = n > 0 ? (unsigned)n : 0;
        if (n <= 0)
            return -1;
    }
    return (unsigned char)maps->bytes[maps->at++];
}

static int digit_of(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A hexadecimal number, and the byte after it. */
static uintptr_t number(struct maps *maps, int *behind)
{
    uintptr_t n = 0;

    while (digit_of(*behind = next_byte(maps)) >= 0)
        n = n << 4 | (uintptr_t)digit_of(*behind);
    return n;
}

/* The name of a mapping, from the first slash or bracket of the line's rest on; "" if it has
 * none. */
static void name_of(struct maps *maps, int c, char *name, size_t cap)
{
    size_t len = 0;

    for (; c >= 0 && c != '\n'; c = next_byte(maps))
        if ((len || c == '/' || c == '[') && len + 1 < cap)
            name[len++] = (char)c;
    name[len] = '\0';
}

/* A line: "START-END perms OFFSET dev inode   name". A beginning that can't be read has no name. */
static bool next_mapping(struct maps *maps, uintptr_t *start, uintptr_t *end, uint64_t *offset,
                         char *name, size_t cap)
{
    bool readable;
    int c;

    *start = number(maps, &c);
    if (c != '-')
        return false;
    *end = number(maps, &c);
    readable = next_byte(maps) == 'r';
    do /* the other permissions, which may look like digits */
        c = next_byte(maps);
    while (c >= 0 && c != ' ');
    *offset = number(maps, &c);
    name_of(maps, c, name, cap);
    if (!readable && *offset == 0)
        name[0] = '\0';
    return c >= 0;
}

/* The mappings of one file follow each other; the first of them, at offset 0, has the ELF header.
 */
static bool find_mapping(struct maps *maps, uintptr_t address, struct module *m)
{
    char name[sizeof(m->name)];
    uintptr_t start;
    uintptr_t end;
    uint64_t offset;
    bool found = false;

    m->name[0] = '\0';
    while (next_mapping(maps, &start, &end, &offset, name, sizeof(name))) {
        bool same = *name && strcmp(name, m->name) == 0 && offset;

        if (found && !same)
            break;
        if (!same) {
            m->start = start;
            memcpy(m->name, name, sizeof(name));
        }
        m->end = end;
        found |= address >= start && address < end;
    }
    return found && *m->name;
}

static bool by_maps(uintptr_t address, struct module *m)
{
    struct maps maps = {.at = 0};
    bool found;

    maps.fd = (int)sys4(SYS_openat, AT_FDCWD, SYS_ARG("/proc/self/maps"), O_RDONLY | O_CLOEXEC, 0);
    if (maps.fd < 0)
        return false;
    found = find_mapping(&maps, address, m);
    sys1(SYS_close, maps.fd);
    m->path = m->name;
    return found && read_headers(m);
}

/* Not where the loader was started as a program, with another as its argument: what the kernel
 * takes for the executable is the loader then. */
static bool is_executable(const struct module *m)
{
    return getauxval(AT_BASE) && getauxval(AT_PHDR) - m->start < m->end - m->start;
}

bool stack_module(uintptr_t address, struct module *m)
{
    bool known;

    if (address - m->start < m->end - m->start)
        return true;
    m->eh_frame_hdr = NULL;
    known = real_can_find_object() ? by_libc(address, m) : by_maps(address, m);
    m->is_executable = known && is_executable(m);
    if (m->is_executable)
        m->path = config.executable;
    else if (known && !*m->path)
        known = by_maps(address, m);
    if (!known)
        m->start = m->end = 0;
    return known;
}
