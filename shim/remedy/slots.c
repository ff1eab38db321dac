#include "safeclose.h"

#include "ground/sys.h"
#include "remedy/slots.h"

#define HEAD SLOTS /* the number that stands for the head of an order */

/* A chunk of a table: what is there, or new memory, all zero. NULL if there is none. */
static void *chunk_of(void **slot, size_t size)
{
    if (!*slot) {
        *slot = sys_map(size);
        /* Where this is refused a child has a useless copy. */
        sys3(SYS_madvise, SYS_ARG(*slot), (long)size, MADV_DONTFORK);
    }
    return *slot;
}

struct parked *slots_at(struct slots *s, int fd)
{
    return &s->chunks[fd / SLOTS_CHUNK][fd % SLOTS_CHUNK];
}

struct parked *slots_new(struct slots *s, int fd)
{
    struct parked *p;

    if (fd < 0 || fd >= SLOTS ||
        !chunk_of((void **)&s->chunks[fd / SLOTS_CHUNK], SLOTS_CHUNK * sizeof(*p)))
        return NULL;
    p = slots_at(s, fd);
    memset(p, 0, offsetof(struct parked, at));
    return p;
}

void slots_start(struct slots *s)
{
    for (int order = 0; order < ORDERS; order++)
        s->heads[order] = (struct place){HEAD, HEAD};
}

void slots_free(struct slots *s)
{
    for (int i = 0; i < SLOTS / SLOTS_CHUNK; i++) {
        if (s->chunks[i])
            sys2(SYS_munmap, SYS_ARG(s->chunks[i]), SLOTS_CHUNK * sizeof(*s->chunks[i]));
        s->chunks[i] = NULL;
    }
}

static struct place *place_of(struct slots *s, int fd, enum order order)
{
    return fd == HEAD ? &s->heads[order] : &slots_at(s, fd)->at[order];
}

void slots_take_out(struct slots *s, int fd, enum order order)
{
    struct place *at = place_of(s, fd, order);

    place_of(s, at->before, order)->after = at->after;
    place_of(s, at->after, order)->before = at->before;
}

void slots_put_last(struct slots *s, int fd, enum order order)
{
    struct place *head = &s->heads[order];

    *place_of(s, fd, order) = (struct place){head->before, HEAD};
    place_of(s, head->before, order)->after = (uint16_t)fd;
    head->before = (uint16_t)fd;
}

static int number(uint16_t at)
{
    return at == HEAD ? -1 : at;
}

int slots_first(struct slots *s, enum order order)
{
    return number(s->heads[order].after);
}

int slots_after(struct slots *s, int fd, enum order order)
{
    return number(place_of(s, fd, order)->after);
}
