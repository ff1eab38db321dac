#include "process/cgroup.h"
#include "stack/image.h"
#include "process/process.h"
#include "stack/watched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCESSES 4096
#define PLACES 16 /* in which a process may be, from the one that its number says */
#define MOST_BYTES (256U << 20)
#define MOST_GENERATIONS 8 /* of parents that are asked in a child's place */

/* Changed by this file only. */
static struct watched table[PROCESSES];
static unsigned long uses;

static struct watched *known(pid_t pid)
{
    for (unsigned i = 0; i < PLACES; i++) {
        struct watched *w = &table[((unsigned)pid + i) % PROCESSES];
        if (w->pid == pid)
            return w;
    }
    return NULL;
}

static void empty(struct watched *w, pid_t pid)
{
    mappings_release(w->mappings);
    *w = (struct watched){.pid = pid, .used = ++uses};
}

static struct watched *get(pid_t pid)
{
    struct watched *w = known(pid), *oldest = NULL;

    for (unsigned i = 0; !w && i < PLACES; i++) {
        struct watched *other = &table[((unsigned)pid + i) % PROCESSES];
        if (!oldest || other->used < oldest->used)
            oldest = other;
    }
    if (!w) {
        w = oldest;
        empty(w, pid);
    }
    w->used = ++uses;
    return w;
}

/* ---- Files ---------------------------------------------------------------------------------------- */

/* They are opened at once: when a stack is read the process may be gone, or the file deleted. */
static void open_images(const struct watched *w)
{
    for (unsigned i = 0; w->mappings && i < w->mappings->count; i++)
        image_of(w->pid, w->parent, &w->mappings->list[i]);
}

/* The one not used for longest, of the others that have any; NULL if none has. */
static struct watched *oldest_with_mappings(const struct watched *but)
{
    struct watched *oldest = NULL;

    for (struct watched *w = table; w < table + PROCESSES; w++)
        if (w != but && w->mappings && (!oldest || w->used < oldest->used))
            oldest = w;
    return oldest;
}

/* They are read again if they are asked for, unless the process is gone. */
static void limit_mappings(const struct watched *but)
{
    struct watched *oldest;

    while (mappings_bytes() > MOST_BYTES && (oldest = oldest_with_mappings(but))) {
        mappings_release(oldest->mappings);
        oldest->mappings = NULL;
    }
}

static void read_mappings(struct watched *w)
{
    w->mappings = mappings_read(w->pid);
    limit_mappings(w);
    open_images(w);
}

/* ---- Events -------------------------------------------------------------------------------------- */

static void follow_mapping(const struct trace_event *event)
{
    struct watched *w = known(event->pid);
    struct mapping mapping = {event->start,  event->end,   event->offset,
                              event->device, event->inode, NULL};

    if (!w || !w->mappings)
        return;
    w->mappings = mappings_own(w->mappings);
    if (!w->mappings)
        return;
    mappings_add(w->mappings, &mapping, event->path);
    mapping.path = (char *)event->path; /* NOLINT: it is only read */
    image_of(w->pid, w->parent, &mapping);
    limit_mappings(w);
}

static void follow_fork(const struct trace_event *event)
{
    struct watched *child = get(event->pid);
    const struct watched *parent = known(event->parent);

    empty(child, event->pid);
    if (parent && parent != child) {
        *child = *parent;
        child->pid = event->pid;
        child->used = ++uses;
        if (child->mappings)
            child->mappings->references++;
    }
    child->parent = event->parent;
}

/* Its name is known, its mappings will be told. */
static void follow_exec(const struct trace_event *event)
{
    struct watched *w = get(event->pid);
    pid_t parent = w->parent;

    empty(w, event->pid);
    w->parent = parent;
    w->mappings = mappings_new();
}

void watched_follow(const struct trace_event *event)
{
    struct watched *w;

    switch (event->kind) {
    case TRACE_MAPPED:
        follow_mapping(event);
        break;
    case TRACE_FORKED:
        follow_fork(event);
        break;
    case TRACE_EXECUTED:
        follow_exec(event);
        /* fall through */
    case TRACE_RENAMED:
        w = known(event->pid);
        if (w)
            snprintf(w->comm, sizeof(w->comm), "%s", event->path);
        break;
    default:
        break;
    }
}

/* ---- Questions ----------------------------------------------------------------------------------- */

static pid_t read_parent(pid_t pid)
{
    size_t len;
    char *status = process_file(pid, "status", &len);
    long parent = status ? process_number(status, "PPid") : 0;

    free(status);
    return parent > 0 ? (pid_t)parent : 0;
}

/* False for a process that is gone. */
static bool read_identity(struct watched *w)
{
    size_t len;
    char *comm = process_file(w->pid, "comm", &len), *cgroup = process_file(w->pid, "cgroup", &len);
    char netns[64];
    unsigned long inode;

    if (comm)
        snprintf(w->comm, sizeof(w->comm), "%.*s", (int)strcspn(comm, "\n"), comm);
    if (cgroup)
        cgroup_place(cgroup, w->unit, sizeof(w->unit), w->container, sizeof(w->container));
    if (process_link(w->pid, "ns/net", netns, sizeof(netns)) &&
        sscanf(netns, "net:[%lu]", &inode) == 1)
        w->netns = inode;
    if (!w->parent)
        w->parent = read_parent(w->pid);
    free(cgroup);
    free(comm);
    return comm != NULL;
}

static void take_identity(struct watched *w, const struct watched *from)
{
    if (!*w->comm)
        memcpy(w->comm, from->comm, sizeof(w->comm));
    memcpy(w->unit, from->unit, sizeof(w->unit));
    memcpy(w->container, from->container, sizeof(w->container));
    w->netns = from->netns;
}

const struct watched *watched_identity(pid_t pid)
{
    struct watched *w = get(pid), *parent;
    pid_t next = w->parent;

    if (w->netns || read_identity(w))
        return w;
    for (unsigned i = 0; next && !w->netns && i < MOST_GENERATIONS; i++) {
        parent = get(next);
        if (parent != w && (parent->netns || read_identity(parent)))
            take_identity(w, parent);
        next = parent->parent;
    }
    return w;
}

const struct mappings *watched_mappings(pid_t pid)
{
    struct watched *w = get(pid), *parent;
    pid_t next = w->parent;

    if (!w->mappings)
        read_mappings(w);
    for (unsigned i = 0; next && !w->mappings && i < MOST_GENERATIONS; i++) {
        parent = get(next);
        if (!parent->mappings)
            read_mappings(parent);
        if (parent->mappings && parent != w) {
            parent->mappings->references++;
            w->mappings = parent->mappings;
        }
        next = parent->parent;
    }
    return w->mappings;
}

pid_t watched_parent(pid_t pid)
{
    const struct watched *w = known(pid);

    return w ? w->parent : 0;
}

static void read_all(pid_t pid, void *unused)
{
    struct watched *w = get(pid);

    (void)unused;
    if (!w->netns)
        read_identity(w);
    if (!w->mappings)
        read_mappings(w);
}

void watched_begin(void)
{
    process_each(read_all, NULL);
}

void watched_forget(void)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        if (table[i].pid)
            empty(&table[i], table[i].pid);
}
