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
 * has every signal blocked, and starts with the copy of the table that clone makes where
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
 * Fork: the child has the feeding end, and the page that the lot is watched by is shared memory; it
 * feeds its parent's lot for as long as that lives, and may exit at once. When the parent's is gone
 * the child starts its own. Exec starts afresh. Exit waits for an own lot (linger_wait). SIGKILL,
 * and every other signal that ends a process, ends what is parked as the kernel does.
 *
 * Wherever this fails the connection is drained as in the mode drain, and the event says why.
 */
#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "linger.h"
#include "lot.h"
#include "own_fd.h"
#include "proc.h"
#include "sink.h"
#include "sys.h"

#include <linux/futex.h>
#include <sys/epoll.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* linux/pidfd.h, since 6.9 */
#endif

#define RETRY_NS 1000000000
#define STOP_WAIT_NS 2000000000
#define SETTLE_WAIT_NS 100000000 /* most often 30 us */

/* Of this process; a fork child begins with its parent's values. */
static struct own_fd feed = OWN_FD_NONE; /* whoever starts a lot; whoever finds it dead */
static _Atomic(struct lot_page *) page;  /* of the lot that feed leads to; likewise */
static _Atomic(struct lot_page *)
    mine;                         /* of the last lot of this process's own; whoever starts one */
static _Atomic(void *) memory;    /* of this process's own lot; whoever starts one */
static _Atomic int thread;        /* of the last lot of this process's own; likewise */
static _Atomic int starting;      /* the pid of a process in which a thread does */
static _Atomic bool epoll_unseen; /* whoever makes a ring */
static _Atomic int barred; /* above 0: none may be started; whoever stops it, and by how many */
static _Atomic int64_t not_before; /* after a failure: when to try again */

/* What the feeding end was when we got it: a socket's cookie is its own for as long as the machine
 * runs, and asking for it is cheaper than any other proof. */
static _Atomic uint64_t feed_cookie; /* with feed */

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    unsigned len = sizeof(cookie);

    return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

/* Its number, -1 where the program has closed it or put something else there. */
static int feeding_end(void)
{
    int number = atomic_load(&feed.number);

    return number >= 0 && cookie_of(number) == atomic_load(&feed_cookie) ? number : -1;
}

static struct lot_page *own_page(void)
{
    struct lot_page *p = atomic_load(&mine);

    return p && atomic_load(&p->owner) == atomic_load(&process->pid) ? p : NULL;
}

bool linger_owns(int fd)
{
    return fd == atomic_load(&feed.number) && feeding_end() == fd;
}

/* Until the word is 0, or is not, or the time is over, which is a monotonic one. The kernel wakes
 * but one of those who wait for a thread's end: hence the slices. */
static bool await(_Atomic int *word, bool wanted, int64_t until)
{
    const int64_t slice = 5000000;
    int value;

    while (((value = atomic_load(word)) != 0) != wanted) {
        int64_t left = until - proc_now_ns();
        struct timespec time = {0, left < slice ? left : slice};

        if (left <= 0)
            return false;
        sys6(SYS_futex, SYS_ARG(word), FUTEX_WAIT, value, SYS_ARG(&time), 0, 0);
    }
    return true;
}

static void sleep_ns(long ns)
{
    const struct timespec time = {0, ns};

    sys2(SYS_nanosleep, SYS_ARG(&time), 0);
}

/* ---- Starting -------------------------------------------------------------------------------- */

static void *map(size_t size, int sharing)
{
    long at = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
                   sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at < 0 && at > -4096 ? NULL : (void *)at;
}

/* A page to be watched by. Never given back: a fork child may still look at it. */
static struct lot_page *get_page(void)
{
    struct lot_page *p = own_page();

    if (!p) {
        p = map(sizeof(*p), MAP_SHARED);
        if (p) {
            atomic_store(&p->owner, atomic_load(&process->pid));
            atomic_store(&mine, p);
        }
    }
    return p;
}

/* The parent's, in a fork child, is a copy that nobody runs on. What was used is emptied; where it
 * is locked (mlockall) it can only be given back. */
static void *get_memory(void)
{
    void *m = atomic_load(&memory);

    if (m && sys3(SYS_madvise, SYS_ARG(m), (long)lot_size(), MADV_DONTNEED) < 0) {
        sys2(SYS_munmap, SYS_ARG(m), (long)lot_size());
        m = NULL;
    }
    if (!m)
        m = map(lot_size(), MAP_PRIVATE);
    atomic_store(&memory, m);
    return m;
}

/* The feeding end is as large as the machine allows. */
static bool get_pair(int pair[2])
{
    int bytes = 8 << 20;

    if (sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, SYS_ARG(pair)) < 0)
        return false;
    sys6(SYS_setsockopt, pair[0], SOL_SOCKET, SO_SNDBUF, SYS_ARG(&bytes), sizeof(bytes), 0);
    return true;
}

static bool start(void)
{
    struct lot_page *p = get_page();
    void *m;
    int pair[2];
    long tid;

    if (!p)
        return false;
    if (atomic_load(&p->running) && feeding_end() >= 0) { /* another thread lost sight of it */
        atomic_store(&page, p);
        return true;
    }
    if (atomic_load(&p->tid)) /* the thread is still ending */
        return false;
    m = get_memory();
    if (!m || !get_pair(pair))
        return false;
    atomic_store(&p->stop, 0);
    atomic_store(&p->taken, 0);
    atomic_store(&p->fed, 0);
    atomic_store(&p->settled, 0);
    atomic_store(&p->running, 1);
    tid = lot_start(m, p, pair[1], sink_descriptor());
    sys1(SYS_close, pair[1]);
    if (tid < 0) {
        atomic_store(&p->running, 0);
        sys1(SYS_close, pair[0]);
        return false;
    }
    atomic_store(&feed_cookie, cookie_of(pair[0]));
    atomic_store(&thread, (int)tid);
    own_fd_keep(&feed, pair[0]);
    /* Until it has let go of its copy of the table, nothing that the program closes is closed: not
     * a listener, whose port is wanted again, nor what somebody waits on for an end. */
    await(&p->settled, true, proc_now_ns() + SETTLE_WAIT_NS);
    if (!atomic_load(&p->running)) /* it could not settle */
        return false;
    atomic_store(&page, p);
    return true;
}

static void mask_signals(int how, uint64_t set, uint64_t *before)
{
    sys4(SYS_rt_sigprocmask, how, SYS_ARG(&set), SYS_ARG(before), sizeof(set));
}

/* A thread of the parent that was here when another one forked is not in this process. */
void linger_prepare(void)
{
    struct lot_page *p = atomic_load_explicit(&page, memory_order_relaxed);
    int pid = atomic_load(&process->pid);
    uint64_t before = 0;
    int nobody;

    if (config.mode != MODE_LINGER ||
        (p && atomic_load_explicit(&p->running, memory_order_relaxed)))
        return;
    nobody = atomic_load(&starting);
    if (nobody == pid || proc_now_ns() < atomic_load(&not_before) || !boundary_is_ours())
        return;
    /* No handler may come between: it could never return here. The thread inherits the mask. */
    mask_signals(SIG_BLOCK, ~0ULL, &before);
    if (atomic_compare_exchange_strong(&starting, &nobody, pid)) {
        if (!atomic_load(&barred) && !start())
            atomic_store(&not_before, proc_now_ns() + RETRY_NS);
        atomic_store(&starting, 0);
    }
    mask_signals(SIG_SETMASK, before, NULL);
}

void linger_fork_child(void)
{
    atomic_store(&mine, NULL);
    atomic_store(&thread, 0);
    atomic_store(&starting, 0);
    atomic_store(&barred, 0);
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

static long send_parcel(int number, const struct parcel *parcel, int fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec bytes = {(void *)parcel, lot_parcel_size(parcel)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    struct cmsghdr *c = (struct cmsghdr *)control;

    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    return sys3(SYS_sendmsg, number, SYS_ARG(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The lot may be collecting, and would sleep on for a moment. */
static void hurry(struct lot_page *p)
{
    int napping = 1;

    if (atomic_compare_exchange_strong(&p->napping, &napping, 0))
        sys3(SYS_futex, SYS_ARG(&p->napping), FUTEX_WAKE, 1);
}

/* The lot that a page is of is gone. What led to it stays where it is: by now it may lead to
 * another. */
static enum note lose_lot(struct lot_page *p)
{
    atomic_compare_exchange_strong(&page, &p, NULL);
    return NOTE_NO_LOT;
}

/* A parent that was killed, while somebody else still has its lot's end of the pair. */
static bool is_orphaned(struct lot_page *p)
{
    int owner = atomic_load(&p->owner);

    return owner != atomic_load(&process->pid) &&
           sys3(SYS_tgkill, owner, atomic_load(&p->tid), 0) == -ESRCH;
}

static enum note pass_on(const struct event *e, struct parcel *parcel)
{
    struct lot_page *p = atomic_load(&page);
    int number = p ? feeding_end() : -1;
    long sent;

    if (!p)
        return NOTE_NO_LOT;
    if (number < 0 || is_orphaned(p))
        return lose_lot(p);
    if (atomic_fetch_add(&p->fed, 1) - atomic_load(&p->taken) >= LOT_HASTE)
        hurry(p);
    sent = send_parcel(number, parcel, e->fd);
    if (sent >= 0)
        return NOTE_NONE;
    atomic_fetch_sub(&p->fed, 1);
    if (sent == -EPIPE || sent == -ECONNREFUSED || sent == -ECONNRESET)
        return lose_lot(p);
    return NOTE_LOT_FULL;
}

/* Whether a close of it, or an event, may wait for something: as the program set it, or somebody
 * else who held it. */
static bool is_tuned(const struct fd_note *note)
{
    return note->flags & (FD_ASK_LINGER | FD_LOWAT) || note->share ||
           note->epoch != boundary_epoch();
}

enum note linger_park(const struct event *e, const struct fd_note *note, bool told, bool half_close,
                      const struct inuse_later *later)
{
    struct parcel parcel = {
        .kind = PARCEL_CONNECTION,
        .via = (uint8_t)e->via,
        .cause = (uint8_t)e->verdict.cause,
        .told = told,
        .tuned = is_tuned(note),
        .half_close = half_close && later->count,
        .fd = e->fd,
        .pid = atomic_load(&process->pid),
        .tid = sys_gettid(),
        .peer = e->probe.peer,
        .later = *later,
    };
    enum note refused;

    stop_signals(e->fd);
    if (!leave_epoll_sets(e, note))
        return NOTE_EPOLL;
    linger_prepare(); /* a fork child's connection came before the fork, and the parent has ended */
    refused = pass_on(e, &parcel);
    if (refused == NOTE_NO_LOT) { /* a parent was killed, or the program has closed feed */
        linger_prepare();
        refused = pass_on(e, &parcel);
    }
    if (refused == NOTE_NONE && half_close && later->count == 0)
        sys2(SYS_shutdown, e->fd, SHUT_WR);
    return refused;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static bool await_end(struct lot_page *p, int64_t until)
{
    return await(&p->tid, false, until);
}

/* Nobody feeds it any more, and it may sleep for long: its own end of the pair, taken from its
 * table (Linux 6.9), wakes it when it is shut. */
static void wake_lot(struct lot_page *p)
{
    long thread_fd = sys2(SYS_pidfd_open, atomic_load(&p->tid), PIDFD_THREAD);
    long end = thread_fd < 0 ? thread_fd : sys3(SYS_pidfd_getfd, thread_fd, LOT_FEED, 0);

    if (end >= 0) {
        sys2(SYS_shutdown, end, SHUT_RDWR);
        sys1(SYS_close, end);
    }
    if (thread_fd >= 0)
        sys1(SYS_close, thread_fd);
}

/* Tells the lot, unless its queue is full: then it is told again. */
static bool tell_lot(struct lot_page *p, enum parcel_kind kind, int64_t until)
{
    const struct parcel parcel = {.kind = (uint8_t)kind};
    const int64_t moment = 1000000;

    for (;;) {
        int number = feeding_end();

        if (number < 0) {
            wake_lot(p);
            break;
        }
        if (send_parcel(number, &parcel, -1) != -EAGAIN)
            break;
        if (proc_now_ns() > until)
            return false;
        hurry(p);
        if (await_end(p, proc_now_ns() + moment))
            return true;
    }
    hurry(p);
    return await_end(p, until);
}

static void end_now(struct lot_page *p, enum ended reason)
{
    atomic_store(&p->stop, (int)reason);
    tell_lot(p, PARCEL_STOP, proc_now_ns() + STOP_WAIT_NS);
}

void linger_wait(void)
{
    struct lot_page *p = own_page();

    if (!p || !atomic_load(&p->tid) || boundary_in_lot())
        return;
    if (!tell_lot(p, PARCEL_FINISH, proc_now_ns() + config.exit_wait))
        end_now(p, ENDED_EXIT);
}

/* A thread clears its tid a moment before the kernel ceases to count it. */
static void await_burial(int tid)
{
    int64_t until = proc_now_ns() + STOP_WAIT_NS;

    while (sys3(SYS_tgkill, sys_getpid(), tid, 0) == 0 && proc_now_ns() < until)
        sleep_ns(20000);
}

/* Another thread may be about to start one: it looks whether it is barred after it says so. */
static void await_starter(void)
{
    int64_t until = proc_now_ns() + STOP_WAIT_NS;

    while (atomic_load(&starting) == atomic_load(&process->pid) && proc_now_ns() < until)
        sleep_ns(20000);
}

bool linger_stop(void)
{
    struct lot_page *p;

    if (config.mode != MODE_LINGER || !boundary_enter())
        return false;
    atomic_fetch_add(&barred, 1);
    await_starter();
    p = own_page();
    if (p && atomic_load(&thread)) {
        if (atomic_load(&p->tid))
            end_now(p, ENDED_STOPPED);
        await_burial(atomic_load(&thread));
    }
    return true;
}

void linger_forbid(void)
{
    linger_stop(); /* and no linger_resume */
}

void linger_resume(bool stopped)
{
    if (stopped)
        atomic_fetch_sub(&barred, 1);
}
