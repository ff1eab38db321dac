#include "safeclose.h"

#include "holders/family.h"
#include "holders/given.h"

#define BUCKETS 2048
#define ENTRIES 8
#define BUSY UINT64_MAX
#define OUT 0x80000000u   /* in a place: what its process executes (family_executes) keeps it */
#define NOBODY UINT32_MAX /* the place of a process that can't be followed */

struct entry {
    _Atomic uint64_t serial; /* 0: free; BUSY: being written */
    _Atomic uint64_t when;   /* 0: it is not given up */
    _Atomic uint32_t place;
    _Atomic uint32_t origin;
    _Atomic uint32_t in_epoll;
};

struct table {
    struct entry buckets[BUCKETS][ENTRIES];
    _Atomic uint64_t claimed[BUCKETS]; /* the serial that was claimed last */
    _Atomic uint32_t count;
};

static struct table *table; /* constructor */

size_t given_size(void)
{
    return sizeof(struct table);
}

void given_start(void *memory)
{
    table = memory;
}

bool given_any(void)
{
    return !table || atomic_load(&table->count);
}

static struct entry *bucket_of(uint64_t serial)
{
    return table->buckets[serial % BUCKETS];
}

static void erase(struct entry *e, uint64_t serial)
{
    if (atomic_compare_exchange_strong(&e->serial, &serial, 0))
        atomic_fetch_sub(&table->count, 1);
}

/* The entry of this connection and place; NULL if there is none. */
static struct entry *find(uint64_t serial, uint32_t place)
{
    struct entry *e = table && serial ? bucket_of(serial) : NULL;

    for (int i = 0; e && i < ENTRIES; i++)
        if (atomic_load(&e[i].serial) == serial && atomic_load(&e[i].place) == place &&
            atomic_load(&e[i].serial) == serial) /* not given to another in between */
            return &e[i];
    return NULL;
}

static struct entry *claim(struct entry *bucket)
{
    for (int i = 0; i < ENTRIES; i++) {
        uint64_t none = 0;

        if (atomic_compare_exchange_strong(&bucket[i].serial, &none, BUSY))
            return &bucket[i];
    }
    return NULL;
}

static bool may_hold(const struct entry *e, uint64_t serial, const struct relative *r)
{
    if (!r->sound)
        return true;
    return (r->end > serial || r->place == atomic_load(&e->origin)) &&
           !given_when(serial, r->place) && (r->place == family_self() || !family_is_gone(r));
}

/* Whether the entry's process is dead: then its death says as much, and the entry can go. (Only processes that it
 * forked afterwards count as holders again.) Without this the children of a server would fill the bucket of its
 * listening socket, which each of them gives up. True for the first process that finds it: a later one may look at
 * another's entry. */
static bool is_of_the_dead(struct entry *e)
{
    uint32_t place = atomic_load(&e->place);
    struct relative r = family_find(place);

    return place && !(place & OUT) && !atomic_load(&e->in_epoll) && r.sound &&
           (!r.place || family_is_gone(&r)) && atomic_compare_exchange_strong(&e->place, &place, 0);
}

/* Makes room: removes entries of the dead, and of connections that no process of the family can hold any more because
 * all that could are gone. */
static void tidy(struct entry *bucket, uint64_t except)
{
    for (int i = 0; i < ENTRIES; i++) {
        uint64_t serial = atomic_load(&bucket[i].serial);
        struct relative r = family_find(family_self());
        bool held = serial == except;

        if (serial == 0 || serial == BUSY)
            continue;
        if (is_of_the_dead(&bucket[i])) {
            erase(&bucket[i], serial);
            continue;
        }
        held = held || may_hold(&bucket[i], serial, &r);
        r.index = 0;
        while (!held && (r = family_next(r.index)).index)
            held = may_hold(&bucket[i], serial, &r);
        if (!held)
            erase(&bucket[i], serial);
    }
}

static bool put(uint64_t serial, uint32_t origin, uint32_t place, uint64_t when)
{
    struct entry *e = table && serial ? claim(bucket_of(serial)) : NULL;

    if (!e && table && serial) {
        tidy(bucket_of(serial), serial);
        e = claim(bucket_of(serial));
    }
    if (!e)
        return false;
    atomic_fetch_add(&table->count, 1);
    atomic_store(&e->place, place);
    atomic_store(&e->origin, origin);
    atomic_store(&e->in_epoll, !when);
    atomic_store(&e->when, when);
    atomic_store(&e->serial, serial);
    return true;
}

bool given_note(uint64_t serial, uint32_t origin, uint32_t place)
{
    struct entry *e = find(serial, place); /* given_to_epoll */

    if (e)
        atomic_store(&e->when, family_serial());
    return e || put(serial, origin, place, family_serial());
}

bool given_to_epoll(uint64_t serial, uint32_t origin, uint32_t place)
{
    return find(serial, place) || put(serial, origin, place, 0);
}

/* If another connection is claimed in between, two processes act on this one; that does no harm, as it has no other
 * holder. */
bool given_claim(uint64_t serial)
{
    _Atomic uint64_t *claimed = table ? &table->claimed[serial % BUCKETS] : NULL;
    uint64_t last = claimed ? atomic_load(claimed) : serial;

    for (int i = 0; i < ENTRIES && last != serial; i++)
        if (atomic_compare_exchange_strong(claimed, &last, serial))
            return true;
    return false;
}

uint64_t given_when(uint64_t serial, uint32_t place)
{
    struct entry *e = find(serial, place);

    return e ? atomic_load(&e->when) : 0;
}

bool given_lose(uint64_t serial, uint32_t origin)
{
    return find(serial, NOBODY) || put(serial, origin, NOBODY, family_serial());
}

static bool is_out(uint32_t place)
{
    return place == NOBODY || (place & OUT && family_executes(place & ~OUT));
}

bool given_is_lost(uint64_t serial)
{
    struct entry *e = table && serial ? bucket_of(serial) : NULL;

    for (int i = 0; e && i < ENTRIES; i++)
        if (atomic_load(&e[i].serial) == serial && is_out(atomic_load(&e[i].place)))
            return true;
    return false;
}

/* One process that may have executed a program is as bad as many: its entry then stands for all. So the children of a
 * server that each execute one don't fill the bucket of its listening socket. */
bool given_exec_begin(uint64_t serial, uint32_t origin, uint32_t place)
{
    struct entry *e = table && serial ? bucket_of(serial) : NULL;

    for (int i = 0; e && i < ENTRIES; i++) {
        uint32_t other = atomic_load(&e[i].place);

        if (atomic_load(&e[i].serial) == serial && other != (place | OUT) && is_out(other))
            atomic_compare_exchange_strong(&e[i].place, &other, NOBODY);
    }
    return find(serial, NOBODY) || find(serial, place | OUT) ||
           put(serial, origin, place | OUT, family_serial());
}

void given_exec_failed(uint64_t serial, uint32_t place)
{
    struct entry *e = find(serial, place | OUT);
    uint32_t out = place | OUT;

    if (e &&
        atomic_compare_exchange_strong(&e->place, &out, 0)) /* it stands for others otherwise */
        erase(e, serial);
}

bool given_in_epoll(uint64_t serial, uint32_t except)
{
    struct entry *e = table && serial ? bucket_of(serial) : NULL;

    for (int i = 0; e && i < ENTRIES; i++)
        if (atomic_load(&e[i].serial) == serial && atomic_load(&e[i].in_epoll) &&
            atomic_load(&e[i].place) != except)
            return true;
    return false;
}

void given_forget(uint64_t serial)
{
    struct entry *e = table && serial ? bucket_of(serial) : NULL;

    for (int i = 0; e && i < ENTRIES; i++)
        if (atomic_load(&e[i].serial) == serial)
            erase(&e[i], serial);
}
