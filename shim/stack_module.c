#include "safeclose.h"

#include "config.h"
#include "real.h"
#include "stack.h"
#include "sys.h"

/* ---- By libc's own list, which can be asked without a lock (glibc 2.35) ------------------------- */

static bool by_libc(uintptr_t address, struct module *m)
{
    struct real_object object;

    if (!real_find_object(address, &object))
        return false;
    m->start = (uintptr_t)object.start;
    m->end = (uintptr_t)object.end;
    m->bias = object.map->l_addr;
    m->eh_frame_hdr = object.eh_frame_hdr;
    m->path = object.map->l_name;
    m->is_executable = !*m->path;
    if (m->is_executable)
        m->path = config.executable;
    return true;
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

/* A number in hexadecimal, and the byte behind it. */
static uintptr_t number(struct maps *maps, int *behind)
{
    uintptr_t n = 0;

    while (digit_of(*behind = next_byte(maps)) >= 0)
        n = n << 4 | (uintptr_t)digit_of(*behind);
    return n;
}

/* The name of a mapping, from the first slash or bracket of the line's rest on; "" where it has
 * none. */
static void name_of(struct maps *maps, int c, char *name, size_t cap)
{
    size_t len = 0;

    for (; c >= 0 && c != '\n'; c = next_byte(maps))
        if ((len || c == '/' || c == '[') && len + 1 < cap)
            name[len++] = (char)c;
    name[len] = '\0';
}

/* A line: "START-END perms OFFSET dev inode   name". */
static bool next_mapping(struct maps *maps, uintptr_t *start, uintptr_t *end, uint64_t *offset,
                         char *name, size_t cap)
{
    int c;

    *start = number(maps, &c);
    if (c != '-')
        return false;
    *end = number(maps, &c);
    do /* the permissions, which may look like digits */
        c = next_byte(maps);
    while (c >= 0 && c != ' ');
    *offset = number(maps, &c);
    name_of(maps, c, name, cap);
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

/* The program headers, as they were loaded with the rest. */
static bool read_headers(struct module *m)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)m->start;
    const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(m->start + sizeof(*header));
    bool loaded = false;

    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff != sizeof(*header) ||
        header->e_phnum > 64)
        return false;
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && !loaded) {
            m->bias = m->start - (segment[i].p_vaddr & ~(uintptr_t)4095);
            loaded = true;
        }
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_GNU_EH_FRAME)
            m->eh_frame_hdr = (const uint8_t *)(m->bias + segment[i].p_vaddr);
    return loaded;
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
    if (!found || !read_headers(m))
        return false;
    m->path = m->name;
    m->is_executable = strcmp(m->name, config.executable) == 0;
    return true;
}

bool stack_module(uintptr_t address, struct module *m)
{
    m->eh_frame_hdr = NULL;
    m->bias = 0;
    if (real_can_find_object())
        return by_libc(address, m);
    return by_maps(address, m);
}
