#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "holders/elsewhere.h"
#include "holders/family.h"
#include "holders/given.h"
#include "holders/holders.h"
#include "holders/rings.h"

void holders_start(void)
{
    given_start(family_start(given_size()));
}

struct fd_info holders_new_info(void)
{
    return (struct fd_info){
        .serial = family_serial(), .origin = family_self(), .rings = rings_count()};
}

bool holders_were_others(const struct fd_info *info)
{
    return info->flags & (FD_UNTRACKED | FD_INHERITED | FD_DUPED) || !elsewhere_excluded(info);
}

enum held holders_release(struct fd_info *info)
{
    return elsewhere_give_up(info, false, false);
}

void holders_end(void)
{
    if (boundary_single_threaded())
        family_end();
}

uint32_t holders_keeper(void)
{
    struct relative own = family_find(family_self());
    struct relative parent = own.place && own.parent ? family_find(own.parent) : own;

    return own.place && own.parent && parent.place && !given_any() && !family_is_ending(&parent) &&
                   !family_is_gone(&parent)
               ? parent.place
               : 0;
}

/* ---- Here ------------------------------------------------------------------------------------ */

/* Where the kernel does not answer it may be. */
static bool may_be_same_socket(int fd, int other)
{
    struct stat a;
    struct stat b;
    long err = sys2(SYS_fstat, other, SYS_ARG(&b));

    if (err < 0)
        return err != -EBADF;
    return sys2(SYS_fstat, fd, SYS_ARG(&a)) < 0 || (a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* The peer alone does not tell: of numbers that were duplicated before a connect only the one that was connected has
 * it. Nor does the serial, which what came by an exec or a message lacks. */
static bool may_be_same_connection(const struct fd_info *info, struct fd_info other)
{
    return other.peer == info->peer || (info->serial && other.serial == info->serial);
}

/* A connection has a second number only if it was duplicated here, or came by an exec or a message. */
bool holders_hold_here(int fd, const struct fd_info *info, int *number)
{
    const uint32_t kinds = info->flags & (FD_DUPED | FD_INHERITED);

    for (int other = kinds ? fdtable_next(-1, kinds) : -1; other >= 0;
         other = fdtable_next(other, kinds)) {
        if (other != fd && may_be_same_connection(info, fdtable_get(other)) &&
            may_be_same_socket(fd, other)) {
            *number = other;
            return true;
        }
    }
    return false;
}

bool holders_in_epoll(const struct fd_info *info)
{
    return info->epolls || info->flags & FD_EPOLL_STUCK || rings_may_have(info);
}

/* A listening socket does not linger. */
static void tell_of_epoll(int fd)
{
    struct fd_info info = fdtable_get(fd);

    if (!(info.flags & FD_TCP) || info.flags & FD_LISTENING || elsewhere_excluded(&info) ||
        !family_trusts(info.serial) || !elsewhere_may_hold(&info))
        return;
    if (!given_to_epoll(info.serial, info.origin, family_self()))
        family_distrust();
}

/* Noted before the call: the set may give another thread an event, and that thread may close the connection, before
 * this one goes on; and a process that is killed in the call can't do so later. Relatives are told after it, too, of a
 * fork in between. */
bool holders_enter_epoll_begin(int fd, int epoll)
{
    bool again = !fdtable_enter_epoll(fd, epoll);

    tell_of_epoll(fd);
    return again;
}

/* If it was in the set with this number, and is put into it again, then nobody saw how it was taken out; or the
 * number is another set's by now, and the first set may live under another number or in a relative. */
void holders_enter_epoll_end(int fd, int epoll, bool again, long ret)
{
    if (ret == 0) {
        if (again)
            fdtable_add(fd, FD_EPOLL_STUCK);
        tell_of_epoll(fd);
    } else if (!again && errno != EEXIST) {
        fdtable_leave_epoll(fd, epoll, fdtable_get(fd).rings);
    }
}

enum held holders_give_up(int fd, struct fd_info *info, bool ending, bool stays, int *number)
{
    if (!(info->flags & FD_TCP))
        return HELD_UNKNOWN;
    if (holders_hold_here(fd, info, number)) {
        if (holders_in_epoll(info))
            fdtable_add(*number, FD_EPOLL_STUCK);
        fdtable_add(*number, info->flags & (FD_STREAM | FD_READ_SHUT));
        return HELD_HERE;
    }
    if (info->flags & (FD_UNTRACKED | FD_INHERITED) || !family_trusts(info->serial))
        return HELD_UNKNOWN;
    if (boundary_spawning() && holders_survives_exec(fd)) {
        elsewhere_lose(info);
        return HELD_UNKNOWN;
    }
    if (elsewhere_excluded(info))
        return HELD_BY_NOBODY;
    return elsewhere_give_up(info, ending, stays);
}

/* ---- Passed on ------------------------------------------------------------------------------- */

void holders_lose(int fd)
{
    struct fd_info info = fdtable_get(fd);

    if (!(info.flags & FD_TCP))
        return;
    fdtable_add(fd, FD_UNTRACKED);
    for (int other = info.flags & FD_DUPED ? fdtable_next(-1, FD_DUPED) : -1; other >= 0;
         other = fdtable_next(other, FD_DUPED))
        if (fdtable_get(other).serial == info.serial)
            fdtable_add(other, FD_UNTRACKED);
    elsewhere_lose(&info);
}

void holders_lose_all(void)
{
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        holders_lose(fd);
}

static atomic_bool passing; /* set for good by the thread that first sends or receives one */

void holders_note_passing(void)
{
    atomic_store_explicit(&passing, true, memory_order_relaxed);
}

bool holders_pass_on(void)
{
    return atomic_load_explicit(&passing, memory_order_relaxed);
}

void holders_taken(void)
{
    holders_lose_all();
    family_distrust();
}

/* A number that is not open (closed by a vfork child, for one) is not kept. If the kernel does not answer, it may be
 * kept. */
bool holders_survives_exec(int fd)
{
    long flags = sys2(SYS_fcntl, fd, F_GETFD);

    return flags < 0 ? flags != -EBADF : !(flags & FD_CLOEXEC);
}

void holders_lose_kept(void)
{
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        if (holders_survives_exec(fd))
            holders_lose(fd);
}

static _Atomic bool executing; /* holders_exec_begin, holders_exec_failed; one thread at a time */

/* What is known here ends with the exec, or is as true as before. Only what relatives read is written. A child that is
 * forked meanwhile reads what is known here, too (holders_fork_begun): it was forked before this loop looks, so that
 * nothing is private, or finds the flag. */
void holders_exec_begin(void)
{
    atomic_store(&executing, true);
    if (!family_executes(
            family_self())) { /* a handler forked this process since family_exec_begin */
        holders_lose_kept();
        return;
    }
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;) {
        struct fd_info info = fdtable_get(fd);

        if (info.serial && !elsewhere_excluded(&info) && holders_survives_exec(fd) &&
            !given_exec_begin(info.serial, info.origin, family_self()))
            family_distrust();
    }
}

void holders_exec_failed(void)
{
    for (int fd = -1; (fd = fdtable_next(fd, FD_TCP)) >= 0;)
        given_exec_failed(fdtable_get(fd).serial, family_self());
    atomic_store(&executing, false);
}

void holders_fork_begun(void)
{
    if (atomic_load(&executing))
        holders_lose_kept();
}

struct fd_info holders_dup(int fd, uint64_t forked)
{
    struct fd_info duped;

    if (fdtable_get(fd).flags & FD_TCP) {
        fdtable_add(fd, FD_DUPED);
        if (forked == UINT64_MAX || forked != family_forked())
            holders_lose(fd);
    }
    duped = fdtable_get(fd);
    duped.epolls = 0; /* which know it by the other number */
    return duped;
}
