#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/own_fd.h"
#include "ground/sys.h"
#include "remedy/feed.h"

static struct own_fd feed = OWN_FD_NONE; /* feed_keep */
static _Atomic uint64_t cookie;          /* with feed */
static _Atomic uint64_t target;          /* pid and thread id; feed_lead, feed_lose */

/* A socket's cookie is its own for as long as the machine runs, and asking for it is cheaper than any
 * other proof. */
uint64_t feed_mark(int fd)
{
    uint64_t value = 0;
    unsigned len = sizeof(value);

    return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &len) < 0 ? 0 : value;
}

void feed_keep(int fd, uint64_t mark)
{
    atomic_store(&cookie, mark);
    own_fd_keep(&feed, fd);
}

void feed_lead(int tid)
{
    atomic_store(&target, (uint64_t)atomic_load(&process->pid) << 32 | (uint32_t)tid);
}

int feed_number(void)
{
    int number = atomic_load(&feed.number);
    uint64_t expected = atomic_load(&cookie);

    return number >= 0 && feed_mark(number) == expected ? number : -1;
}

bool feed_owns(int fd)
{
    return fd == atomic_load(&feed.number) && feed_number() == fd;
}

uint64_t feed_target(void)
{
    return atomic_load_explicit(&target, memory_order_relaxed);
}

int feed_own_thread(uint64_t where)
{
    return (int)(where >> 32) == atomic_load(&process->pid) ? (int)where : 0;
}

bool feed_is_orphaned(uint64_t where)
{
    return !feed_own_thread(where) &&
           sys3(SYS_tgkill, (long)(where >> 32), (int)where, 0) == -ESRCH;
}

void feed_lose(uint64_t where)
{
    atomic_compare_exchange_strong(&target, &where, 0);
}
