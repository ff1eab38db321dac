#include "process/mappings.h"
#include "process/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MAPPINGS 4096

/* Changed by this file only. */
static size_t bytes;

size_t mappings_bytes(void)
{
    return bytes;
}

static size_t bytes_of(const char *path)
{
    return sizeof(struct mapping) + strlen(path) + 1;
}

static void drop(struct mapping *mapping)
{
    bytes -= bytes_of(mapping->path);
    free(mapping->path);
}

struct mappings *mappings_new(void)
{
    struct mappings *m = calloc(1, sizeof(*m));

    if (m)
        m->references = 1;
    return m;
}

void mappings_release(struct mappings *m)
{
    if (!m || --m->references)
        return;
    for (unsigned i = 0; i < m->count; i++)
        drop(&m->list[i]);
    free(m->list);
    free(m);
}

static unsigned first_ending_after(const struct mappings *m, uint64_t address)
{
    unsigned low = 0, high = m->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (m->list[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct mapping *mappings_find(const struct mappings *m, uint64_t address)
{
    unsigned i = first_ending_after(m, address);

    return i < m->count && m->list[i].start <= address ? &m->list[i] : NULL;
}

void mappings_add(struct mappings *m, const struct mapping *mapping, const char *path)
{
    unsigned at = first_ending_after(m, mapping->start), over = at;
    char *copy;

    while (over < m->count && m->list[over].start < mapping->end)
        drop(&m->list[over++]);
    memmove(m->list + at, m->list + over, (m->count - over) * sizeof(*m->list));
    m->count -= over - at;
    if (m->count == m->room) {
        unsigned room = m->room ? 2 * m->room : 16;
        struct mapping *list = room > MOST_MAPPINGS ? NULL : realloc(m->list, room * sizeof(*list));

        if (!list)
            return;
        m->list = list;
        m->room = room;
    }
    copy = strdup(path);
    if (!copy)
        return;
    memmove(m->list + at + 1, m->list + at, (m->count - at) * sizeof(*m->list));
    m->list[at] = *mapping;
    m->list[at].path = copy;
    bytes += bytes_of(copy);
    m->count++;
}

/* A line: "START-END rwxp OFFSET MAJOR:MINOR INODE   PATH". */
static void add_line(struct mappings *m, const char *line)
{
    struct mapping mapping;
    unsigned major, minor;
    int path = 0;
    char rights[5];
    char name[PATH_MAX];

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &mapping.start,
               &mapping.end, rights, &mapping.offset, &major, &minor, &mapping.inode, &path) < 7 ||
        rights[2] != 'x')
        return;
    mapping.device = (uint64_t)major << 32 | minor;
    snprintf(name, sizeof(name), "%s", line + path);
    mappings_add(m, &mapping, name);
}

struct mappings *mappings_read(pid_t pid)
{
    size_t len;
    char *text = process_file(pid, "maps", &len);
    struct mappings *m = text && len ? mappings_new() : NULL;

    /* Each line ends with a zero byte, because sscanf looks for the end of what it gets: of all that follows. */
    for (char *line = text, *next; m && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        add_line(m, line);
    }
    free(text);
    return m;
}

struct mappings *mappings_own(struct mappings *of)
{
    struct mappings *own = of->references > 1 ? mappings_new() : of;

    if (own == of)
        return of;
    for (unsigned i = 0; own && i < of->count; i++)
        mappings_add(own, &of->list[i], of->list[i].path);
    mappings_release(of);
    return own;
}
