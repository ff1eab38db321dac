#include "safeclose.h"

#include "ground/fdtable.h"
#include "ground/sys.h"

/* 256 tables of 4096 entries: the numbers below 1,048,576, which is fs.nr_open's default. Memory is
 * taken only for the pages of a table that are used. */
#define ENTRIES 4096
#define PAGES 256
#define FLAG_BITS 16
#define FLAGS 0xffff

struct entry {
    _Atomic uint64_t peer;
    _Atomic uint64_t
        serial_flags; /* one word, so that flags never pair with another life's serial */
    _Atomic uint32_t origin;
    _Atomic uint32_t epolls;
    _Atomic uint64_t rings;
};

static _Atomic(struct entry *) pages[PAGES]; /* each written once, from NULL */

/* Above every number that was ever noted. Walks end there: in a fork child each page of memory costs a fault. */
static _Atomic int end;

static void raise_end(int fd)
{
    int was = atomic_load(&end);

    while (was <= fd && !atomic_compare_exchange_weak(&end, &was, fd + 1))
        ;
}

static struct entry *map_page(_Atomic(struct entry *) *slot)
{
    size_t size = ENTRIES * sizeof(struct entry);
    struct entry *mapped = sys_map(size);
    struct entry *expected = NULL;

    if (!mapped || atomic_compare_exchange_strong(slot, &expected, mapped))
        return mapped;
    sys2(SYS_munmap, SYS_ARG(mapped), (long)size);
    return expected;
}

static struct entry *entry_of(int fd, bool create)
{
    struct entry *page;

    if (fd < 0 || fd >= ENTRIES * PAGES)
        return NULL;
    page = atomic_load_explicit(&pages[fd / ENTRIES], memory_order_acquire);
    if (create)
        raise_end(fd);
    if (!page && create)
        page = map_page(&pages[fd / ENTRIES]);
    return page ? &page[fd % ENTRIES] : NULL;
}

bool fdtable_set(int fd, struct fd_info info)
{
    struct entry *e = entry_of(fd, true);

    if (!e)
        return false;
    atomic_store_explicit(&e->peer, info.peer, memory_order_relaxed);
    atomic_store_explicit(&e->origin, info.origin, memory_order_relaxed);
    atomic_store_explicit(&e->epolls, info.epolls, memory_order_relaxed);
    atomic_store_explicit(&e->rings, info.rings, memory_order_relaxed);
    atomic_store_explicit(&e->serial_flags, info.serial << FLAG_BITS | info.flags,
                          memory_order_release);
    return true;
}

struct fd_info fdtable_get(int fd)
{
    struct entry *e = entry_of(fd, false);
    struct fd_info info = {0};

    if (e) {
        uint64_t word = atomic_load_explicit(&e->serial_flags, memory_order_acquire);
        info.peer = atomic_load_explicit(&e->peer, memory_order_relaxed);
        info.origin = atomic_load_explicit(&e->origin, memory_order_relaxed);
        info.epolls = atomic_load_explicit(&e->epolls, memory_order_relaxed);
        info.rings = atomic_load_explicit(&e->rings, memory_order_relaxed);
        info.serial = word >> FLAG_BITS;
        info.flags = (uint32_t)(word & FLAGS);
    }
    return info;
}

void fdtable_add(int fd, uint32_t flags)
{
    struct entry *e = entry_of(fd, true);

    if (e)
        atomic_fetch_or(&e->serial_flags, flags);
}

void fdtable_drop(int fd, uint32_t flags)
{
    struct entry *e = entry_of(fd, false);

    if (e)
        atomic_fetch_and(&e->serial_flags, ~(uint64_t)flags);
}

bool fdtable_enter_epoll(int fd, int epoll)
{
    struct entry *e = entry_of(fd, false);
    uint32_t set = (uint32_t)epoll + 1;
    uint32_t sets;
    uint32_t more;

    if (!e || !atomic_load_explicit(&e->serial_flags, memory_order_relaxed))
        return true;
    sets = atomic_load(&e->epolls);
    do {
        if ((sets & 0xffff) == set || sets >> 16 == set)
            return false;
        more = !(sets & 0xffff) ? sets | set : sets >> 16 ? 0 : sets | set << 16;
        if (set > 0xffff || !more) {
            atomic_fetch_or(&e->serial_flags, FD_EPOLL_STUCK);
            return true;
        }
    } while (!atomic_compare_exchange_weak(&e->epolls, &sets, more));
    return true;
}

void fdtable_leave_epoll(int fd, int epoll, uint64_t rings)
{
    struct entry *e = entry_of(fd, false);
    uint32_t set = (uint32_t)epoll + 1;
    uint32_t sets;
    uint32_t fewer;

    if (!e)
        return;
    atomic_store(&e->rings, rings);
    if (set > 0xffff)
        return;
    sets = atomic_load(&e->epolls);
    do {
        fewer = (sets & 0xffff) == set ? sets & 0xffff0000
                : sets >> 16 == set    ? sets & 0xffff
                                       : sets;
    } while (!atomic_compare_exchange_weak(&e->epolls, &sets, fewer));
}

static bool is_wanted(const struct entry *e, uint32_t flags, uint32_t except)
{
    return atomic_load_explicit(&e->serial_flags, memory_order_relaxed) & flags &&
           !(except && atomic_load_explicit(&e->origin, memory_order_relaxed) == except);
}

int fdtable_next_not_of(int fd, uint32_t flags, uint32_t except)
{
    int last = atomic_load(&end) - 1;

    for (fd++; fd <= last; fd = (fd / ENTRIES + 1) * ENTRIES) {
        const struct entry *page = atomic_load_explicit(&pages[fd / ENTRIES], memory_order_acquire);
        int most = fd / ENTRIES == last / ENTRIES ? last % ENTRIES : ENTRIES - 1;

        for (int i = fd % ENTRIES; page && i <= most; i++)
            if (is_wanted(&page[i], flags, except))
                return fd - fd % ENTRIES + i;
    }
    return -1;
}

int fdtable_next(int fd, uint32_t flags)
{
    return fdtable_next_not_of(fd, flags, 0);
}

void fdtable_connected(int fd, uint64_t peer)
{
    struct entry *e = entry_of(fd, true);

    if (!e)
        return;
    atomic_store_explicit(&e->peer, peer, memory_order_relaxed);
    atomic_fetch_or(&e->serial_flags, FD_CONNECTED | (peer ? FD_PEER : 0));
    if (!peer)
        atomic_fetch_and(&e->serial_flags, ~(uint64_t)FD_PEER);
}

struct fd_info fdtable_take(int fd)
{
    struct entry *e = entry_of(fd, false);
    struct fd_info info = {0};
    uint64_t peer;
    uint64_t word;

    if (!e || !atomic_load_explicit(&e->serial_flags, memory_order_relaxed))
        return info;
    peer = atomic_load_explicit(&e->peer, memory_order_relaxed);
    word = atomic_exchange(&e->serial_flags, 0);
    if (!word) /* another thread closes it too, and was faster */
        return info;
    info = (struct fd_info){
        .peer = peer, .serial = word >> FLAG_BITS, .flags = (uint32_t)(word & FLAGS)};
    info.origin = atomic_exchange(&e->origin, 0);
    info.epolls = atomic_exchange(&e->epolls, 0);
    info.rings = atomic_exchange(&e->rings, 0);
    atomic_store_explicit(&e->peer, 0, memory_order_relaxed);
    return info;
}
