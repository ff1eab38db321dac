/*
 * Draining empties the receive queue once. Data that arrives a millisecond later still resets the connection, and
 * destroys what the program wrote and the kernel has not sent yet. Good servers solve this with a lingering close:
 * they half-close, and go on reading until the peer is done. We do that for programs that don't.
 *
 * The lot. A process that uses TCP gets one thread, its parking lot, which keeps the connections that linger now: they
 * are "parked". They are passed to it over a UNIX socket (SCM_RIGHTS), so it has a reference of its own. The program's
 * close is a real close: its number is free when it returns, and nobody waits for the peer. The thread has its own
 * descriptor table. So what is parked does not count against the program's limit, no child inherits it, and no loop
 * over descriptors closes it. Of the program's numbers we use one, the sending end of that socket (the feed). It is
 * checked before each use.
 *
 * The thread is not one of libc's. clone(2) makes it; it calls nothing in libc that knows of threads; all its signals
 * but one are blocked (remedy/nudge.h); and because CLONE_FILES is missing, it starts with a copy of the descriptor
 * table. A thread made by pthread_create would end libc's shortcuts for programs with one thread (putc 3 -> 18 ns,
 * malloc and free 24 -> 41 ns), would keep a process alive whose main thread has called pthread_exit, and could not be
 * started from a signal handler or from the child of a threaded fork. The price: libc carries setuid and the like to
 * all of its threads, but not to this one (see "Changes of rights"). We end the thread before the calls that the
 * kernel refuses to a process with several threads (unshare, setns), before a seccomp filter, before an exec and
 * before daemon. The next accept starts another.
 *
 * The order at a close: stop the connection's signals, take it out of the epoll sets, pass it to the lot, half-close
 * it; then comes the program's own close. An epoll set knows a registration by (open file, number), and drops it only
 * with the last reference. So a connection that we keep would go on giving the program events, with a pointer that
 * the program has freed. If a registration can't be undone, or there may be one that we don't know of
 * (holders/rings.h, holders/given.h), the connection is not parked.
 *
 * Threads. Another thread of the program may be in a call on the connection, and so hold it, too. Our reference keeps
 * the program's close from being the last one, so there is time to find out, and close() does not wait for it. The lot
 * does nothing to such a connection until the close is over (handing.h) and it has seen each thread where it can't be
 * in such a call (threads.h); then the lot half-closes it. A thread that is blocked in a call that may be on the
 * connection delays this for as long as lingering may last. So in a program with threads the mode drain has a lot,
 * too; it drains, and closes at once. A connection that other processes hold is passed to the lot for the same reason:
 * this process stays one of its holders until no thread is in a call on it, and then the lot gives up its share
 * (holders_release). When the process executes another program, ends, or changes its rights, the lot looks twice more
 * at what still waits. It closes untouched what it can't prove then.
 *
 * Limits. A parked connection is drained until the peer's FIN or reset, until nothing has come in and nothing was
 * acknowledged for SAFECLOSE_LINGER_IDLE (a slow reader of a long answer is not idle), until SAFECLOSE_LINGER_TIME, or
 * until SAFECLOSE_DISCARD_MAX bytes (lot_look in lot_linger.c). There is room for LOT_MOST connections, or fewer if
 * RLIMIT_NOFILE is low; after that the one that was silent for longest makes room. After the peer's FIN nothing more
 * can come, and the kernel delivers the rest alone.
 *
 * A remedy protects the program's own output. So a connection that the program opened lingers only while some of its
 * output is unacknowledged: a client that gives up a download must not go on receiving it. And a process that ends
 * waits only for that, whoever opened the connection.
 *
 * Fork. The child inherits the feed, so it passes connections to its parent's lot while that lives, and may exit at
 * once. When the parent's lot is gone, the child starts its own. After an exec all begins anew. An exit waits for an
 * own lot (linger_wait). SIGKILL, and every other signal that ends a process, ends what is parked as the kernel does.
 *
 * Rights. The child may have dropped its rights, and somebody may have broken into it. All that it shares with the
 * lot is the feed. So the lot checks what a message says (remedy/parcel.h); a sender of other rights gets only a share
 * of room, time and memory (LOT_GUESTS); and a sender of invalid messages loses the feed for all who hold it: this
 * process starts another lot, and the old one ends when it is empty. The memory by which a lot is watched and ended is
 * shared with no other process (remedy/lots.h), and needs nothing of the lot: a lot that does not end when told to is
 * ended by a signal, and setuid runs once the kernel says that its thread is gone.
 *
 * Changes of rights. Some servers take on a user's rights for each request (seteuid, setegid, setgroups), and what
 * lingers must outlive that. So a lot that holds something makes the program's system call in its own thread, in the
 * handler of a nudge, while the program's thread waits before its own call (linger_change_begin). After the call
 * both threads say what rights they have, and a lot whose rights differ in anything ends before the program's call
 * returns (linger_change_end). It does not matter why they differ: the call failed, another thread's call came in
 * between, or something is kept for each thread (securebits).
 *
 * A lasting change ends the lot before the call: a change of a real or saved id, or of a permitted capability. A child
 * that keeps the old rights may have the feed, and what it passes on must not get into a process of fewer rights. If
 * the process can take its change back, no such child exists. Some changes the lot can't make, so it ends, too:
 * initgroups (libc finds out within it which groups), more than 32 groups, landlock, and the labels of SELinux and
 * AppArmor. A seccomp filter of the program's ends it as well: a thread outside the filter would be the way out of it
 * for an attacker, and inside it our first call might end the process.
 *
 * RLIMIT_NPROC 0 (haproxy) refuses every later clone. So the lot starts before the program sets it. A lasting change
 * of rights after that starts a new lot before the call; the new lot makes the call, too, and gets the feed only
 * after it, so a child that another thread forks meanwhile does not know of it.
 *
 * If any of this fails, the connection is drained as in the mode drain, or, in a program with threads, left alone;
 * the event says why.
 */
#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/real.h"
#include "ground/signals.h"
#include "ground/sys.h"
#include "holders/holders.h"
#include "holders/rings.h"
#include "remedy/feed.h"
#include "remedy/handing.h"
#include "remedy/linger.h"
#include "remedy/lots.h"
#include "remedy/parcel.h"
#include "settings/config.h"

#include <sys/epoll.h>

static _Atomic bool owners; /* linger_note_owner; a fork child begins with its parent's value */

/* The program must get no SIGIO or SIGURG for a connection that it has closed. Without an owner (fcntl(2)) the kernel
 * sends neither. Asking whether there is an owner costs as much as removing it. */
static void stop_signals(int fd, const struct fd_info *info)
{
    if (atomic_load(&owners) || holders_were_others(info))
        sys3(SYS_fcntl, fd, F_SETOWN, 0);
}

void linger_note_owner(void)
{
    atomic_store(&owners, true);
}

/* False if the program might go on getting events. At an exit its epoll sets end, too. ENOENT proves nothing: the
 * number may be another set's by now, and a relative may have the first set. */
static bool leave_epoll_sets(const struct event *e, const struct fd_info *info)
{
    bool ending = event_is_exit(e->via);
    bool ok = !(info->flags & FD_EPOLL_STUCK) && (ending || !rings_may_have(info));

    for (uint32_t sets = info->epolls; sets; sets >>= 16)
        if (sets & 0xffff &&
            sys4(SYS_epoll_ctl, (int)(sets & 0xffff) - 1, EPOLL_CTL_DEL, e->fd, 0) < 0)
            ok = ok && ending;
    return ok;
}

/* The feed stays open: it may lead to another lot by now. */
static enum reason lose(uint64_t target)
{
    feed_lose(target);
    return REASON_NO_LOT;
}

static enum reason pass_on(int fd, const struct parcel *parcel)
{
    uint64_t target = feed_target();
    struct lot_control *lot = linger_own_lot(target);
    int number = target ? feed_number() : -1;
    long err;

    if (number < 0 || feed_is_orphaned(target))
        return lose(target);
    if (parcel->flags & PARCEL_THREADS && !lot)
        return REASON_NO_LOT;
    if (parcel->flags & PARCEL_THREADS && !atomic_load(&lot->sees))
        return REASON_OWNER_UNKNOWN;
    if (lot && atomic_fetch_add(&lot->sent, 1) - atomic_load(&lot->taken) >= LOT_HASTE)
        lots_hurry(lot);
    err = parcel_send(number, parcel, fd);
    if (err == 0)
        return REASON_NONE;
    if (lot)
        atomic_fetch_sub(&lot->sent, 1);
    return err == -EPIPE || err == -ECONNREFUSED || err == -ECONNRESET ? lose(target)
                                                                       : REASON_LOT_FULL;
}

/* Whether a close or an event may wait for something, because the program, or another holder, has set SO_LINGER or
 * SO_RCVLOWAT. */
static bool has_options(const struct fd_info *info)
{
    return info->flags & (FD_ASK_LINGER | FD_LOWAT) || holders_were_others(info);
}

/* In order of what may go wrong. */
static enum reason hand_over(int fd, struct parcel *parcel)
{
    bool threads = parcel->flags & PARCEL_THREADS;
    enum reason refused;

    if (threads && !(parcel->flags & PARCEL_EXITING) &&
        !(parcel->handing = handing_begin((unsigned)fd, (unsigned)fd)))
        return linger_own_lot(feed_target()) ? REASON_LOT_FULL : REASON_NO_LOT;
    refused = pass_on(fd, parcel);
    if (refused == REASON_NO_LOT) { /* a parent was killed, or the program has closed the feed */
        linger_prepare(threads);
        refused = pass_on(fd, parcel);
    }
    if (refused != REASON_NONE)
        handing_forget(parcel->handing);
    return refused;
}

/* The only thread of a process has its number. */
static int own_tid(void)
{
    return real_single_threaded() ? atomic_load(&process->pid) : sys_gettid();
}

/* What others hold too stays in their epoll sets, whatever we do. */
enum reason linger_park(const struct event *e, const struct fd_info *info, unsigned flags)
{
    struct parcel parcel = {
        .via = (uint8_t)e->via,
        .cause = (uint8_t)e->verdict.cause,
        .flags = (uint16_t)(flags | (has_options(info) ? PARCEL_OPTIONS : 0) |
                            (info->flags & FD_DUPED ? PARCEL_DUPED : 0)),
        .fd = e->fd,
        .tid = own_tid(),
        .peer = e->probe.peer,
        .serial = info->serial,
        .origin = info->origin,
    };
    bool threads = flags & PARCEL_THREADS;
    enum reason refused;

    if (!(flags & PARCEL_SHARED)) {
        stop_signals(e->fd, info);
        if (!leave_epoll_sets(e, info))
            return REASON_EPOLL;
    }
    linger_prepare(
        threads); /* a fork child's connection came before the fork, and the parent has ended */
    /* The other threads run while the exit waits, and would not know of the half-close. */
    if (threads && flags & PARCEL_EXITING)
        signals_ignore_pipe();
    refused = hand_over(e->fd, &parcel);
    if (refused == REASON_NONE &&
        (flags & (PARCEL_HALF_CLOSE | PARCEL_THREADS)) == PARCEL_HALF_CLOSE)
        sys2(SYS_shutdown, e->fd, SHUT_WR);
    return refused;
}
