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
 * reach this one ("Changes of rights" below). It is ended before what the kernel refuses to a process of
 * several threads (unshare, setns), before a seccomp filter, before an exec and before daemon. The next
 * accept starts another.
 *
 * The order at a close: stop its signals, leave the epoll sets, pass the connection on, half-close,
 * and then the program's own close. An epoll set knows a registration by (open file, number) and
 * drops it only with the last reference, so a connection that we hold on would go on giving the
 * program events with a pointer that it has freed: where a registration can't be undone, or may be one
 * that we don't know of (holders/rings.h, holders/given.h), the connection is not parked.
 *
 * In a program with threads another one may be in a call on the connection, which holds it as well. Our
 * reference keeps the close from being the last, so there is time to find out, and not in the program's
 * close: the lot does nothing to such a connection before that is over (handing.h), and each thread was
 * seen where it can't be in such a call (threads.h); then it half-closes it itself. One that is blocked in
 * a call that may be on it keeps it for as long as lingering may last. So in such a program the mode drain
 * has a lot too, which closes at once what it has drained. A connection that other processes hold as well is
 * passed on for the same reason: until no thread is in a call on it this process is one of its holders, and then
 * the lot gives up its share for it (holders_release). What waits so when the process executes another
 * program, ends, or changes its rights, has two looks yet; what can't be proven then is closed as it is.
 *
 * In the lot it is drained until the peer's FIN or reset, until nothing came in and nothing was
 * acknowledged for SAFECLOSE_LINGER_IDLE (a slow reader of a long answer is not idle), until
 * SAFECLOSE_LINGER_TIME, or until SAFECLOSE_DISCARD_MAX bytes. There is room for LOT_MOST
 * connections (fewer where RLIMIT_NOFILE says so); after that the one that was silent longest makes
 * room. After the peer's FIN nothing more can come, and the kernel delivers the rest alone.
 *
 * A remedy is for the program's own output, and for an end in order. So a connection that the program
 * opened lingers only while some of its output is not acknowledged: a client that gives up a download must
 * not go on receiving it. And a process that ends waits for no more than that, whoever opened it.
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
 * Changes of rights. Some servers take on a user's rights for each request (seteuid, setegid, setgroups), and
 * what lingers must outlive that. So a lot that holds something makes the program's system call in its own
 * thread, in the handler of a nudge, while the program's thread waits before its own call
 * (linger_change_begin). After the call both say what rights they have, and a lot whose rights differ in
 * anything is ended before the program's call returns (linger_change_end). That proof needs no look at how they came to
 * differ: the call failed, another thread's came between, something is kept for each thread (securebits).
 *
 * A lasting change ends the lot before it: of a real or saved id, or of a permitted capability. A child that
 * keeps the old rights may have the feeding end, and what it passes on must not get into the hands of a process
 * of fewer. For a process that can take its change back no such child exists. Also ended is a lot that can't
 * make the change: initgroups (libc finds out within which groups), more than 32 groups, landlock, the labels of
 * SELinux and AppArmor. And a seccomp filter of the program's: a thread that is not under it would be the way out of it for
 * whoever breaks in, and under it the first call of ours may end the process.
 *
 * RLIMIT_NPROC 0 (haproxy) refuses every clone from then on. The lot is started before the program sets it, and
 * a lasting change of rights after that gets a new lot before the call, which makes it too, and is led the feed
 * to only after it: a child that another thread forks meanwhile does not know of it.
 *
 * Wherever this fails the connection is drained as in the mode drain, or, in a program with threads, left
 * alone, and the event says why.
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

/* Nobody may be sent SIGIO, or SIGURG, for a connection that the program has closed: without an
 * owner (fcntl(2)) neither goes anywhere. Asking whether there is one costs as much. */
static void stop_signals(int fd, const struct fd_info *note)
{
    if (atomic_load(&owners) || holders_were_others(note))
        sys3(SYS_fcntl, fd, F_SETOWN, 0);
}

void linger_note_owner(void)
{
    atomic_store(&owners, true);
}

/* False where the program might go on getting events. At its exit its sets end with it. That there is nothing
 * to take out (ENOENT) proves nothing: the number may be another set's by now, and a relative have the first. */
static bool leave_epoll_sets(const struct event *e, const struct fd_info *note)
{
    bool ending = event_is_exit(e->via);
    bool ok = !(note->flags & FD_EPOLL_STUCK) && (ending || !rings_may_have(note));

    for (uint32_t sets = note->epolls; sets; sets >>= 16)
        if (sets & 0xffff &&
            sys4(SYS_epoll_ctl, (int)(sets & 0xffff) - 1, EPOLL_CTL_DEL, e->fd, 0) < 0)
            ok = ok && ending;
    return ok;
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
    struct lot_control *lot = linger_own_lot(target);
    int number = target ? feed_number() : -1;
    long err;

    if (number < 0 || feed_is_orphaned(target))
        return lose(target);
    if (parcel->flags & PARCEL_THREADS && !lot)
        return NOTE_NO_LOT;
    if (parcel->flags & PARCEL_THREADS && !atomic_load(&lot->sees))
        return NOTE_OWNER_UNKNOWN;
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
static bool has_options(const struct fd_info *note)
{
    return note->flags & (FD_ASK_LINGER | FD_LOWAT) || holders_were_others(note);
}

/* In order of what may go wrong. */
static enum note hand_over(int fd, struct parcel *parcel)
{
    bool threads = parcel->flags & PARCEL_THREADS;
    enum note refused;

    if (threads && !(parcel->flags & PARCEL_EXITING) &&
        !(parcel->handing = handing_begin((unsigned)fd, (unsigned)fd)))
        return linger_own_lot(feed_target()) ? NOTE_LOT_FULL : NOTE_NO_LOT;
    refused = pass_on(fd, parcel);
    if (refused == NOTE_NO_LOT) { /* a parent was killed, or the program has closed the feed */
        linger_prepare(threads);
        refused = pass_on(fd, parcel);
    }
    if (refused != NOTE_NONE)
        handing_forget(parcel->handing);
    return refused;
}

/* The only thread of a process has its number. */
static int own_tid(void)
{
    return real_single_threaded() ? atomic_load(&process->pid) : sys_gettid();
}

/* What others hold too stays in their epoll sets, whatever we do. */
enum note linger_park(const struct event *e, const struct fd_info *note, unsigned flags)
{
    struct parcel parcel = {
        .via = (uint8_t)e->via,
        .cause = (uint8_t)e->verdict.cause,
        .flags = (uint16_t)(flags | (has_options(note) ? PARCEL_OPTIONS : 0) |
                            (note->flags & FD_DUPED ? PARCEL_DUPED : 0)),
        .fd = e->fd,
        .tid = own_tid(),
        .peer = e->probe.peer,
        .serial = note->serial,
        .origin = note->origin,
    };
    bool threads = flags & PARCEL_THREADS;
    enum note refused;

    if (!(flags & PARCEL_SHARED)) {
        stop_signals(e->fd, note);
        if (!leave_epoll_sets(e, note))
            return NOTE_EPOLL;
    }
    linger_prepare(
        threads); /* a fork child's connection came before the fork, and the parent has ended */
    /* Its other threads run for as long as the exit waits, and would not have been told. */
    if (threads && flags & PARCEL_EXITING)
        signals_ignore_pipe();
    refused = hand_over(e->fd, &parcel);
    if (refused == NOTE_NONE && (flags & (PARCEL_HALF_CLOSE | PARCEL_THREADS)) == PARCEL_HALF_CLOSE)
        sys2(SYS_shutdown, e->fd, SHUT_WR);
    return refused;
}
