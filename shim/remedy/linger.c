/*
 * Draining empties the queue of now. What arrives a millisecond later still resets the connection,
 * and destroys what the program wrote and the kernel has not yet sent. The cure is old, and in
 * every good server: half-close, and go on reading until the peer is done. We do it for programs
 * that don't.
 *
 * The lot. A process that uses TCP has one thread that keeps the connections lingering now. They
 * are passed to it as over any UNIX socket (SCM_RIGHTS), so that what it holds is a reference of
 * its own: the program's close is a real close, the number is free when it returns, and nobody
 * waits for the peer. The thread has a descriptor table of its own, so what is parked takes nothing
 * from the program's limit, is inherited by none of its children and closed by none of its loops.
 * Of the program's numbers we use one, the feeding end, which is looked at before each use.
 *
 * The thread is not libc's. It is made by clone(2), calls nothing of libc's that knows of threads,
 * has every signal but one blocked (remedy/nudge.h), and starts with the copy of the table that clone makes where
 * CLONE_FILES is missing. A thread of pthread_create would end libc's shortcuts for programs with
 * one thread (putc 3 -> 18 ns, malloc and free 24 -> 41 ns), would keep a process alive whose main
 * thread has called pthread_exit, and could not be started from a signal handler or the child of a
 * threaded fork. The price: setuid and its kin, which libc carries to all of its threads, don't
 * reach this one. So it is ended before any of them (hooks/rights.c), and before what the kernel
 * refuses to a process of several threads (unshare, setns), before a seccomp filter, before an exec
 * and before daemon. The next accept starts another.
 *
 * The order at a close: stop its signals, leave the epoll sets, pass the connection on, half-close,
 * and then the program's own close. An epoll set knows a registration by (open file, number) and
 * drops it only with the last reference, so a connection that we hold on would go on giving the
 * program events with a pointer that it has freed: where a registration can't be undone the
 * connection is not parked.
 *
 * A thread of the program that is running at that moment may be in a call on the connection: woken,
 * and waiting for a CPU. Our reference keeps the close from being the last, so there is time to
 * find out: the lot does nothing to such a connection before each of those threads was seen
 * elsewhere (inuse.h); then it half-closes it itself. If one was in a call after all, the
 * connection is left to it.
 *
 * In the lot it is drained until the peer's FIN or reset, until nothing came in and nothing was
 * acknowledged for SAFECLOSE_LINGER_IDLE (a slow reader of a long answer is not idle), until
 * SAFECLOSE_LINGER_TIME, or until SAFECLOSE_DISCARD_MAX bytes. There is room for LOT_MOST
 * connections (fewer where RLIMIT_NOFILE says so) and for LOT_MEMORY of their output in the kernel;
 * after that the one that was silent longest makes room. After the peer's FIN nothing more can
 * come, and the kernel delivers the rest alone.
 *
 * Fork: the child has the feeding end, so it feeds its parent's lot for as long as that lives, and
 * may exit at once. When the parent's is gone the child starts its own. Exec starts afresh. Exit waits
 * for an own lot (linger_wait). SIGKILL, and every other signal that ends a process, ends what is parked
 * as the kernel does.
 *
 * Rights: the child may have dropped them, and be in the hands of somebody who broke into it. All that
 * it shares with the lot is the feeding end. So what a message says is checked (remedy/parcel.h), a
 * sender of other rights has its share of room, time and memory (LOT_GUESTS), and whoever sends rubbish
 * loses the feed for all who hold it: this process starts another lot, and the old one ends when what it
 * holds is done. How a lot is watched and ended stands in memory that no other process has
 * (remedy/lots.h), and needs nothing of the lot: one that does not end when told to is ended by a signal,
 * and setuid runs when the kernel says that it is gone.
 *
 * Wherever this fails the connection is drained as in the mode drain, and the event says why.
 */
#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "ground/signals.h"
#include "holders/holders.h"
#include "remedy/linger.h"
#include "proc.h"
#include "remedy/feed.h"
#include "remedy/lots.h"
#include "remedy/nudge.h"
#include "remedy/parcel.h"
#include "sink.h"
#include "sys.h"

#include <sys/epoll.h>

#define RETRY_NS 1000000000
#define STOP_WAIT_NS 2000000000
#define MOMENT_NS 20000

/* Of this process; a fork child begins with its parent's values. */
static _Atomic bool starting;     /* a thread starts a lot; it, and it alone where it finds false */
static _Atomic bool epoll_unseen; /* linger_distrust_epoll */
static _Atomic int barred;        /* above 0: none may be started; linger_stop, linger_resume */
static _Atomic int64_t not_before; /* after a failure: when to try again; whoever failed */

bool linger_owns(int fd)
{
    return feed_owns(fd);
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* The lot of this process that the feed leads to, as long as it takes parcels. */
static struct lot_control *own_lot(uint64_t target)
{
    int tid = feed_own_thread(target);
    struct lot_control *lot = tid ? lots_find(tid) : NULL;

    return lot && atomic_load_explicit(&lot->welcome, memory_order_relaxed) ? lot : NULL;
}

/* As far as is known: that a parent's lot has ended shows when it is used. */
static bool is_fed(void)
{
    uint64_t target = feed_target();

    return target && (!feed_own_thread(target) || own_lot(target));
}

static bool start(void)
{
    int pair[2];
    uint64_t mark;
    int tid;

    if (!parcel_pair(pair))
        return false;
    mark = feed_mark(pair[0]);
    tid = mark ? lots_start(pair[1], sink_descriptor()) : 0;
    sys1(SYS_close, pair[1]);
    if (tid)
        feed_keep(pair[0], mark, tid);
    else
        sys1(SYS_close, pair[0]);
    return tid;
}

void linger_prepare(void)
{
    uint64_t before = 0;

    if (config.mode != MODE_LINGER || is_fed() || atomic_load(&starting))
        return;
    if (proc_now_ns() < atomic_load(&not_before) || !boundary_is_ours())
        return;
    /* No handler may come between: it could never return here. The thread inherits the mask. */
    if (!signals_block(&before))
        return;
    if (!atomic_exchange(&starting, true)) {
        if (!atomic_load(&barred) && !is_fed() && !start())
            atomic_store(&not_before, proc_now_ns() + RETRY_NS);
        atomic_store(&starting, false);
    }
    signals_restore(before);
}

/* A thread of the parent that was here when another one forked is not in this process. */
void linger_fork_child(void)
{
    atomic_store(&starting, false);
    atomic_store(&barred, 0);
    nudge_fork_child();
}

/* ---- Parking --------------------------------------------------------------------------------- */

/* Nobody may be sent SIGIO, or SIGURG, for a connection that the program has closed: without an
 * owner (fcntl(2)) neither goes anywhere. Asking whether there is one costs as much. */
static void stop_signals(int fd)
{
    sys3(SYS_fcntl, fd, F_SETOWN, 0);
}

/* False where the program might go on getting events. At its exit its sets end with it. */
static bool leave_epoll_sets(const struct event *e, const struct fd_note *note)
{
    bool ok = !(note->flags & FD_EPOLL_STUCK) && !atomic_load(&epoll_unseen);

    for (uint32_t sets = note->epolls; sets; sets >>= 16)
        if (sets & 0xffff &&
            sys4(SYS_epoll_ctl, (int)(sets & 0xffff) - 1, EPOLL_CTL_DEL, e->fd, 0) < 0)
            ok = ok && event_is_exit(e->via);
    return ok;
}

void linger_distrust_epoll(void)
{
    atomic_store(&epoll_unseen, true);
}

/* What led to the lot stays where it is: by now it may lead to another. */
static enum note lose(uint64_t target)
{
    feed_lose(target);
    return NOTE_NO_LOT;
}

static enum note pass_on(int fd, const struct parcel *parcel)
{
    uint64_t target = feed_target();
    struct lot_control *lot = own_lot(target);
    int number = target ? feed_number() : -1;
    long err;

    if (number < 0 || feed_is_orphaned(target))
        return lose(target);
    if (lot && atomic_fetch_add(&lot->sent, 1) - atomic_load(&lot->taken) >= LOT_HASTE)
        lots_hurry(lot);
    err = parcel_send(number, parcel, fd);
    if (err == 0)
        return NOTE_NONE;
    if (lot)
        atomic_fetch_sub(&lot->sent, 1);
    return err == -EPIPE || err == -ECONNREFUSED || err == -ECONNRESET ? lose(target)
                                                                       : NOTE_LOT_FULL;
}

/* Whether a close of it, or an event, may wait for something: as the program set it, or somebody
 * else who held it. */
static bool has_options(const struct fd_note *note)
{
    return note->flags & (FD_ASK_LINGER | FD_LOWAT) || holders_were_others(note);
}

static uint8_t flags_of(const struct fd_note *note, bool logged, bool half_close)
{
    return (uint8_t)((logged ? PARCEL_LOGGED : 0) | (half_close ? PARCEL_HALF_CLOSE : 0) |
                     (has_options(note) ? PARCEL_OPTIONS : 0));
}

enum note linger_park(const struct event *e, const struct fd_note *note, bool told, bool half_close,
                      const struct inuse_later *later)
{
    struct parcel parcel = {
        .via = (uint8_t)e->via,
        .cause = (uint8_t)e->verdict.cause,
        .flags = flags_of(note, told, half_close && later->count),
        .fd = e->fd,
        .tid = sys_gettid(),
        .peer = e->probe.peer,
        .doubts = *later,
    };
    enum note refused;

    stop_signals(e->fd);
    if (!leave_epoll_sets(e, note))
        return NOTE_EPOLL;
    linger_prepare(); /* a fork child's connection came before the fork, and the parent has ended */
    refused = pass_on(e->fd, &parcel);
    if (refused == NOTE_NO_LOT) { /* a parent was killed, or the program has closed the feed */
        linger_prepare();
        refused = pass_on(e->fd, &parcel);
    }
    if (refused == NOTE_NONE && half_close && later->count == 0)
        sys2(SYS_shutdown, e->fd, SHUT_WR);
    return refused;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* Where a message reaches a lot of this process; -1. */
static int own_feed(void)
{
    return own_lot(feed_target()) ? feed_number() : -1;
}

void linger_wait(void)
{
    if (boundary_lot() || !lots_live())
        return;
    if (!lots_finish(own_feed(), proc_now_ns() + config.exit_wait))
        lots_end(own_feed(), ENDED_EXIT, proc_now_ns() + STOP_WAIT_NS, false);
}

/* Another thread may be about to start one: it looks whether it is barred after it says so. Its
 * signals are blocked, so it does get done. */
static void await_starter(void)
{
    while (atomic_load(&starting))
        proc_sleep_ns(MOMENT_NS);
}

bool linger_stop(void)
{
    if (config.mode != MODE_LINGER || !boundary_enter())
        return false;
    atomic_fetch_add(&barred, 1);
    await_starter();
    lots_end(own_feed(), ENDED_STOPPED, proc_now_ns() + STOP_WAIT_NS, true);
    lots_await_burial(proc_now_ns() + STOP_WAIT_NS);
    return true;
}

void linger_resume(bool stopped)
{
    if (stopped)
        atomic_fetch_sub(&barred, 1);
}
