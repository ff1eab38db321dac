#include "safeclose.h"

#include "boundary.h"
#include "config.h"
#include "drain.h"
#include "lot.h"
#include "lot_clone.h"
#include "proc.h"
#include "sink.h"
#include "sys.h"

#include <linux/futex.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The numbers in the thread's own descriptor table. */
enum { FEED = LOT_FEED, LOG, EPOLL, FIRST };

#define SLOTS (FIRST + LOT_MOST)
#define TLS_HALF 65536
#define TURN (4 << 20) /* bytes discarded of one connection before the others' turn */
#define EVENTS 64
#define MOST_SPARED 1024    /* by evict, in one round: 1 us each */
#define DOUBT_NS 2000000000 /* a thread that gets no CPU for so long is not waited for */
#define OWN_NUMBERS                                                                                \
    7 /* the first three, two while it writes a line, two while it looks at threads */

/* BY_SILENCE: nothing came from the first for longest. BY_OUTPUT: the same, of those that are
 * large. */
enum { BY_SILENCE, BY_OUTPUT, BY_LOOK, BY_DOUBT, BY_NAP, ORDERS };

struct place {
    int before;
    int behind;
};

/* One connection; its place in the array is its number. */
struct parked {
    struct parcel parcel;
    bool watched; /* in the epoll set */
    int order; /* which one it is in besides BY_SILENCE. BY_DOUBT: somebody may be in a call on it,
                  so it is not touched; BY_NAP: it came since the last nap; BY_LOOK: all others */
    int64_t since;
    int64_t moved; /* when something last came in, or was acknowledged */
    int64_t look;  /* when to look at it, should nothing happen */
    uint64_t discarded;
    uint32_t unacked; /* at the last look, our FIN included */
    bool large;       /* that is more than LOT_SHARE: in BY_OUTPUT */
    struct place at[ORDERS];
};

/* All of it is the thread's alone. */
struct lot {
    struct lot_page *page;
    int feed; /* in the program's table, of which the thread begins with a copy */
    int log;
    bool fed;       /* somebody can still send parcels */
    bool finishing; /* ends when nothing is parked */
    bool stopping;
    uint32_t parked;
    uint64_t unacked; /* of all of them */
    int64_t now;
    unsigned spared;                /* since then, by evict */
    int64_t period;                 /* between two looks */
    struct parked slots[SLOTS + 1]; /* the last is the head of all orders */
};

/* In mapped memory, from below: the stack, thread-local storage with the thread pointer in its
 * middle, the lot. */
struct memory {
    _Alignas(4096) char stack[LOT_STACK];
    _Alignas(4096) char tls_below[TLS_HALF];
    char tls_above[TLS_HALF];
    struct lot lot;
};

size_t lot_size(void)
{
    return sizeof(struct memory);
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Order ----------------------------------------------------------------------------------- */

static void take_out(struct lot *lot, int fd, int order)
{
    struct place *at = &lot->slots[fd].at[order];

    lot->slots[at->before].at[order].behind = at->behind;
    lot->slots[at->behind].at[order].before = at->before;
}

static void put_last(struct lot *lot, int fd, int order)
{
    struct place *head = &lot->slots[SLOTS].at[order];

    lot->slots[fd].at[order] = (struct place){head->before, SLOTS};
    lot->slots[head->before].at[order].behind = fd;
    head->before = fd;
}

/* SLOTS where there is none. */
static int first(const struct lot *lot, int order)
{
    return lot->slots[SLOTS].at[order].behind;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* The last word about a connection whose close was told, or of which data came that would have
 * reset it. */
static void tell_end(struct lot *lot, int fd, enum ended ended)
{
    struct parked *p = &lot->slots[fd];
    struct event e = {
        .fd = p->parcel.fd,
        .pid = p->parcel.pid,
        .tid = p->parcel.tid,
        .via = (enum via)p->parcel.via,
        .action = ACTION_LINGERING,
        .ended = ended,
        .is_end = true,
        .discarded = p->discarded,
        .ms = (uint64_t)(lot->now - p->since) / 1000000,
    };

    if ((!p->parcel.told && !p->discarded && !config.all_events) || !event_admit())
        return;
    probe_facts(fd, PROBE_TCP, false, &e.probe);
    probe_details(fd, &e.probe);
    e.probe.local = probe_local(fd);
    e.probe.peer = p->parcel.peer;
    e.verdict.cause = (enum cause)p->parcel.cause;
    e.verdict.outcome = ended == ENDED_PEER_RST || (p->order == BY_DOUBT && ended != ENDED_EXIT)
                            ? OUTCOME_NONE
                        : e.probe.facts.unread ? OUTCOME_RST
                                               : OUTCOME_FIN;
    event_emit(&e);
}

/* The kernel goes on sending what is not acknowledged. Taken out of the epoll set first: the
 * program may still be on its way to its own close, and this is not the last reference then. */
static void end(struct lot *lot, int fd, enum ended ended)
{
    struct parked *p = &lot->slots[fd];

    /* The end of the process is the end of whatever call somebody may be in. */
    if (ended != ENDED_PEER_FIN && ended != ENDED_PEER_RST &&
        (p->order != BY_DOUBT || ended == ENDED_EXIT))
        p->discarded += drain(fd, earliest(config.discard_max - p->discarded, TURN)).bytes;
    tell_end(lot, fd, ended);
    atomic_fetch_add_explicit(&process->counts.ended[ended], 1, memory_order_relaxed);
    if (p->watched)
        sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_DEL, fd, 0);
    p->watched = false;
    take_out(lot, fd, BY_SILENCE);
    if (p->large)
        take_out(lot, fd, BY_OUTPUT);
    p->large = false;
    take_out(lot, fd, p->order);
    p->order = BY_LOOK;
    lot->unacked -= p->unacked;
    atomic_store_explicit(&lot->page->parked, --lot->parked, memory_order_relaxed);
    sys1(SYS_close, fd);
}

/* ---- One connection -------------------------------------------------------------------------- */

static void note_moved(struct lot *lot, int fd)
{
    struct parked *p = &lot->slots[fd];

    p->moved = lot->now;
    take_out(lot, fd, BY_SILENCE);
    put_last(lot, fd, BY_SILENCE);
    if (p->large) {
        take_out(lot, fd, BY_OUTPUT);
        put_last(lot, fd, BY_OUTPUT);
    }
}

static void note_unacked(struct lot *lot, int fd)
{
    struct parked *p = &lot->slots[fd];
    long answer = sys_ioctl_int(fd, SIOCOUTQ);
    uint32_t unacked = answer < 0 ? 0 : (uint32_t)answer;
    bool large = unacked > LOT_SHARE;

    if (unacked < p->unacked)
        note_moved(lot, fd);
    lot->unacked += (uint64_t)unacked - p->unacked;
    p->unacked = unacked;
    if (large && !p->large)
        put_last(lot, fd, BY_OUTPUT);
    else if (!large && p->large)
        take_out(lot, fd, BY_OUTPUT);
    p->large = large;
}

/* What the kernel tells the program of its output (MSG_ZEROCOPY, for one) keeps the socket ready as
 * long as nobody takes it. */
static void discard_notices(int fd)
{
    struct msghdr none = {0};

    for (int i = 0; i < EVENTS; i++)
        if (sys3(SYS_recvmsg, fd, SYS_ARG(&none), MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
}

/* Discards what came. True where that was the end of it, and it is gone. */
static bool discard(struct lot *lot, int fd)
{
    struct parked *p = &lot->slots[fd];
    struct drained drained = drain(fd, earliest(config.discard_max - p->discarded, TURN));

    if (drained.bytes) {
        p->discarded += drained.bytes;
        note_moved(lot, fd);
    }
    if (drained.end == DRAINED_FIN)
        end(lot, fd, ENDED_PEER_FIN);
    else if (drained.end == DRAINED_ERROR)
        end(lot, fd, ENDED_PEER_RST);
    else if (drained.end == DRAINED_BOUND && p->discarded >= config.discard_max)
        end(lot, fd, ENDED_BYTES);
    else
        return false;
    return true;
}

static void take_time(struct lot *lot)
{
    lot->now = proc_now_ns();
    lot->spared = 0;
}

/* Ends the first in this order, or finds that it was not silent: acknowledgements come without an
 * event, and what came in may wait behind the parcels that make it crowded here. Where all of a
 * crowd are heard of, only so many are asked. */
static void evict(struct lot *lot, int order)
{
    int fd = first(lot, order);
    struct parked *p = &lot->slots[fd];

    if (p->moved != lot->now && lot->spared < MOST_SPARED) {
        lot->spared++;
        if (p->unacked)
            note_unacked(lot, fd);
        if ((p->order != BY_DOUBT && discard(lot, fd)) || p->moved == lot->now)
            return;
    }
    end(lot, fd, ENDED_EVICTED);
}

/* A close that waits for the peer (SO_LINGER), and an event that waits for more bytes than will
 * come (SO_RCVLOWAT), are not for us. */
static void untune(const struct parked *p, int fd)
{
    struct linger off = {0, 0};
    int one = 1;

    if (!p->parcel.tuned)
        return;
    sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, SYS_ARG(&off), sizeof(off), 0);
    sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, SYS_ARG(&one), sizeof(one), 0);
}

static void put_into(struct lot *lot, int fd, int order)
{
    lot->slots[fd].order = order;
    put_last(lot, fd, order);
}

static void look_again(struct lot *lot, int fd)
{
    lot->slots[fd].look = lot->now + lot->period;
    put_into(lot, fd, BY_LOOK);
}

/* From here on it is ours to discard. */
static void welcome(struct lot *lot, int fd)
{
    struct parked *p = &lot->slots[fd];
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

    look_again(lot, fd);
    if (discard(lot, fd))
        return;
    note_unacked(lot, fd);
    p->watched = sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_ADD, fd, SYS_ARG(&wanted)) == 0;
    if (!p->watched) {
        end(lot, fd, ENDED_EVICTED);
        return;
    }
    while (lot->unacked > LOT_MEMORY)
        evict(lot, BY_OUTPUT);
}

static void park(struct lot *lot, int fd, const struct parcel *parcel)
{
    struct parked *p = &lot->slots[fd];

    memset(p, 0, offsetof(struct parked, at));
    p->parcel = *parcel;
    p->since = lot->now;
    p->moved = lot->now;
    put_last(lot, fd, BY_SILENCE);
    atomic_store_explicit(&lot->page->parked, ++lot->parked, memory_order_relaxed);
    put_into(lot, fd, parcel->later.count > 0 ? BY_DOUBT : BY_NAP);
    if (p->order == BY_NAP)
        untune(p, fd);
}

/* Behind a nap: with a peer that is near most are over by then, and were never watched. */
static void welcome_all(struct lot *lot)
{
    int fd = first(lot, BY_NAP);

    if (fd == SLOTS)
        return;
    take_time(lot);
    for (; fd != SLOTS; fd = first(lot, BY_NAP)) {
        take_out(lot, fd, BY_NAP);
        welcome(lot, fd);
    }
}

/* The threads of another process, those of a fork child, are not ours to look at. */
static enum inuse ask_again(struct parked *p, int fd)
{
    if (p->parcel.pid != atomic_load(&process->pid))
        return INUSE_UNKNOWN;
    return inuse_look_again(&p->parcel.later, fd);
}

static void settle_doubt(struct lot *lot, int fd)
{
    struct parked *p = &lot->slots[fd];
    enum inuse inuse = ask_again(p, fd);

    if (inuse == INUSE_NO) {
        take_out(lot, fd, BY_DOUBT);
        if (p->parcel.half_close)
            sys2(SYS_shutdown, fd, SHUT_WR);
        untune(p, fd);
        note_moved(lot, fd);
        welcome(lot, fd);
    } else if (inuse != INUSE_LATER || lot->now - p->since > DOUBT_NS) {
        end(lot, fd, ENDED_IN_USE);
    }
}

/* Who was running when a connection was closed, and may have been in a call on it, is elsewhere by
 * now, or blocked in that call, or still has no CPU. */
static void settle_doubts(struct lot *lot)
{
    int next;

    for (int fd = first(lot, BY_DOUBT); fd != SLOTS; fd = next) {
        next = lot->slots[fd].at[BY_DOUBT].behind;
        if (lot->slots[fd].order == BY_DOUBT) /* not evicted for one before it */
            settle_doubt(lot, fd);
    }
}

/* Silent, as far as is known; what we had no CPU to take is not silence. True where it is gone. */
static bool end_idle(struct lot *lot, int fd)
{
    if (discard(lot, fd))
        return true;
    if (lot->slots[fd].moved == lot->now)
        return false;
    end(lot, fd, ENDED_IDLE);
    return true;
}

/* Those whose look is due. Whether output is acknowledged is asked only while some was not. */
static void look(struct lot *lot)
{
    int fd;

    while ((fd = first(lot, BY_LOOK)) != SLOTS && lot->slots[fd].look <= lot->now) {
        struct parked *p = &lot->slots[fd];

        if (p->unacked)
            note_unacked(lot, fd);
        if (lot->now - p->since >= config.linger_time) {
            end(lot, fd, ENDED_TIME);
        } else if (lot->now - p->moved < config.linger_idle || !end_idle(lot, fd)) {
            take_out(lot, fd, BY_LOOK);
            look_again(lot, fd);
        }
    }
}

/* ---- Parcels --------------------------------------------------------------------------------- */

/* How many can be parked: a descriptor that finds no room in the table is closed by the kernel,
 * with all that is unread. */
static uint32_t capacity(void)
{
    struct rlimit limit = {FIRST + LOT_MOST, 0};
    uint32_t most = LOT_MOST;

    sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, SYS_ARG(&limit));
    if (limit.rlim_cur < FIRST + LOT_MOST)
        most = limit.rlim_cur > OWN_NUMBERS + 1 ? (uint32_t)limit.rlim_cur - OWN_NUMBERS : 1;
    return most;
}

/* The descriptor in a message, -1 where there is none. */
static int passed_fd(struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

/* A fork child may have dropped rights that we have, and be in the hands of somebody else. */
static bool is_sound(const struct parcel *parcel, int fd)
{
    return parcel->via < VIA_COUNT && parcel->cause < CAUSE_COUNT && fd < SLOTS &&
           parcel->later.count >= 0 && parcel->later.count <= INUSE_RUNNING &&
           probe_kind(fd) == PROBE_TCP;
}

static void accept_parcel(struct lot *lot, const struct parcel *parcel, int fd)
{
    switch (parcel->kind) {
    case PARCEL_CONNECTION:
        atomic_fetch_add_explicit(&lot->page->taken, 1, memory_order_relaxed);
        if (fd >= 0 && is_sound(parcel, fd)) /* LOG's number too, where there is no log */
            park(lot, fd, parcel);
        else if (fd >= 0)
            sys1(SYS_close, fd);
        break;
    case PARCEL_FINISH:
        lot->finishing = true;
        break;
    case PARCEL_STOP:
        lot->stopping = true;
        break;
    }
}

/* Everything that waits. */
/* The number that leads here is the program's to write to by mistake. */
static bool is_parcel(const struct parcel *parcel, long size)
{
    return size >= (long)offsetof(struct parcel, later.thread) && parcel->later.count >= 0 &&
           parcel->later.count <= INUSE_RUNNING && size == (long)lot_parcel_size(parcel);
}

static void take_parcels(struct lot *lot)
{
    uint32_t most = capacity();

    for (;;) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        struct parcel parcel = {0};
        struct iovec bytes = {&parcel, sizeof(parcel)};
        struct msghdr message = {.msg_iov = &bytes,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        long n;

        while (lot->parked && lot->parked >= most)
            evict(lot, BY_SILENCE);
        n = sys3(SYS_recvmsg, FEED, SYS_ARG(&message), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (is_parcel(&parcel, n)) {
            accept_parcel(lot, &parcel, passed_fd(&message));
        } else if (n != -EINTR) {
            if (n == 0) { /* the last feeding end is closed */
                sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_DEL, FEED, 0);
                lot->fed = false;
                atomic_store(&lot->page->running, 0);
            }
            return;
        }
    }
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* Milliseconds until somebody must be looked at, rounded up; -1: never. Whom no message can reach
 * looks for himself whether he should stop. */
static int patience(const struct lot *lot)
{
    int fd = first(lot, BY_LOOK);
    int64_t ns = fd == SLOTS ? INT64_MAX : lot->slots[fd].look - lot->now;

    if (!lot->fed)
        ns = earliest(ns, 50000000);
    if (first(lot, BY_DOUBT) != SLOTS)
        ns = earliest(ns, LOT_NAP_NS);
    if (ns == INT64_MAX)
        return -1;
    return ns <= 0 ? 0 : (int)earliest(ns / 1000000 + 1, 60000);
}

/* Waits for events, at most so long; true where there were some. */
static bool tend(struct lot *lot, int ms)
{
    struct epoll_event events[EVENTS];
    long n = sys6(SYS_epoll_pwait, EPOLL, SYS_ARG(events), EVENTS, ms, 0, 0);

    take_time(lot);
    for (long i = 0; i < n; i++) {
        if (events[i].data.fd == FEED)
            take_parcels(lot);
        else if (lot->slots[events[i].data.fd].watched && /* not evicted meanwhile */
                 !discard(lot, events[i].data.fd) && events[i].events & EPOLLERR)
            discard_notices(events[i].data.fd);
    }
    return n > 0;
}

/* Being woken for each parcel would cost its sender more than the parcel does. Ends early when many
 * wait. */
static void nap(struct lot *lot)
{
    const struct timespec time = {0, LOT_NAP_NS};
    struct lot_page *page = lot->page;

    atomic_store(&page->napping, 1);
    if (atomic_load(&page->fed) - atomic_load(&page->taken) < LOT_HASTE)
        sys6(SYS_futex, SYS_ARG(&page->napping), FUTEX_WAIT, 1, SYS_ARG(&time), 0, 0);
    atomic_store(&page->napping, 0);
}

static bool is_over(const struct lot *lot)
{
    return lot->stopping || atomic_load(&lot->page->stop) ||
           (lot->parked == 0 && (lot->finishing || !lot->fed));
}

/* A parcel that came after the last look would be closed by the kernel, with all that is unread:
 * who sends from now on is refused. */
static void end_all(struct lot *lot)
{
    int stop = atomic_load(&lot->page->stop);
    enum ended ended = stop > 0 && stop < ENDED_COUNT ? (enum ended)stop : ENDED_EXIT;
    int fd;

    atomic_store(&lot->page->running, 0);
    sys2(SYS_shutdown, FEED, SHUT_RD);
    take_parcels(lot);
    while ((fd = first(lot, BY_SILENCE)) != SLOTS)
        if (lot->slots[fd].order == BY_DOUBT || !discard(lot, fd)) /* its peer may be done by now */
            end(lot, fd, ended);
}

/* The thread begins with a copy of the program's table, of which it keeps two. */
static bool settle(struct lot *lot)
{
    struct epoll_event parcels = {.events = EPOLLIN, .data.fd = FEED};
    long log = -1;
    long epoll;

    /* Out of the way of the first three. */
    long feed = sys3(SYS_fcntl, lot->feed, F_DUPFD_CLOEXEC, FIRST);
    if (lot->log >= 0)
        log = sys3(SYS_fcntl, lot->log, F_DUPFD_CLOEXEC, FIRST);
    if (feed < 0 || sys3(SYS_dup3, feed, FEED, O_CLOEXEC) < 0)
        return false;
    if (log >= 0)
        sys3(SYS_dup3, log, LOG, O_CLOEXEC);
    else
        sys1(SYS_close, LOG);
    if (sys3(SYS_close_range, EPOLL, ~0U, 0) < 0) /* before Linux 5.9 */
        return false;
    epoll = sys1(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (epoll == LOG) { /* which is free where there is no log */
        sys3(SYS_dup3, epoll, EPOLL, O_CLOEXEC);
        sys1(SYS_close, LOG);
        epoll = EPOLL;
    }
    return epoll == EPOLL &&
           sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_ADD, FEED, SYS_ARG(&parcels)) == 0;
}

/* A program with a real-time policy did not mean this. */
static void not_urgent(void)
{
    const struct sched_param none = {0};
    long policy = sys1(SYS_sched_getscheduler, 0) & ~SCHED_RESET_ON_FORK;

    if (policy == SCHED_FIFO || policy == SCHED_RR)
        sys3(SYS_sched_setscheduler, 0, SCHED_OTHER, SYS_ARG(&none));
}

static void body(void *argument)
{
    struct lot *lot = argument;
    bool settled;
    bool busy = true;

    sys2(SYS_prctl, PR_SET_NAME, SYS_ARG("safeclose-lot"));
    not_urgent();
    settled = settle(lot);
    if (!settled)
        atomic_store(&lot->page->running, 0);
    atomic_store(&lot->page->settled, 1);
    sys3(SYS_futex, SYS_ARG(&lot->page->settled), FUTEX_WAKE, INT_MAX);
    if (!settled)
        return;
    sink_in_lot(LOG);
    take_time(lot);
    while (!is_over(lot)) {
        welcome_all(lot);
        busy = tend(lot, busy ? 0 : patience(lot));
        if (lot->finishing)
            welcome_all(lot);
        settle_doubts(lot);
        look(lot);
        if (busy && !is_over(lot))
            nap(lot);
    }
    end_all(lot);
}

long lot_start(void *memory, struct lot_page *page, int feed, int log)
{
    const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    struct memory *m = memory;
    void *tls = m->tls_above;

    m->lot.page = page;
    m->lot.feed = feed;
    m->lot.log = log;
    m->lot.fed = true;
    m->lot.period = earliest(config.linger_idle, config.linger_time) / 4 + 1;
    for (int order = 0; order < ORDERS; order++)
        m->lot.slots[SLOTS].at[order] = (struct place){SLOTS, SLOTS};
    *(void **)tls = tls; /* on x86-64 the thread pointer points to itself */
    boundary_set_lot(m->stack, sizeof(m->stack), &page->tid);
    return lot_clone(flags, m->stack + sizeof(m->stack), tls, &page->tid, body, &m->lot);
}
