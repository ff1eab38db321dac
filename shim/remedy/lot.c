#include "safeclose.h"

#include "ground/boundary.h"
#include "settings/config.h"
#include "ground/wait.h"
#include "remedy/drain.h"
#include "report/event.h"
#include "remedy/mode_change.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "holders/threads.h"
#include "remedy/handing.h"
#include "remedy/lot.h"
#include "remedy/lot_clone.h"
#include "ground/real.h"
#include "remedy/nudge.h"
#include "remedy/parcel.h"
#include "remedy/slots.h"
#include "report/sink.h"
#include "report/summary.h"
#include "ground/sys.h"
#include "tcp/diag.h"
#include "tcp/outcome.h"

#include <linux/futex.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The numbers in the thread's own descriptor table. */
enum { FEED, LOG, EPOLL, TASKS, FIRST };

_Static_assert(FIRST + LOT_MOST <= SLOTS, "every number that can be parked has a place");

#ifdef __SANITIZE_ADDRESS__
#define STACK 262144 /* its frames are several times as large */
#else
#define STACK 32768
#endif
#define TLS_HALF 65536
#define NAP_NS 3000000 /* how long it collects before it looks again */
#define TURN (4 << 20) /* bytes discarded of one connection before the others' turn */
#define GUEST_TURN 65536
#define EXIT_LOOK_NS 5000000 /* between two looks at what an exiting process waits for */
#define EVENTS 64
#define PARCELS 256      /* taken before those that are parked have their turn */
#define MOST_SPARED 1024 /* by evict, in one round: 1 us each */
#define SECOND_NS 1000000000
#define LOOK_NS 10000000 /* between two looks at threads, */
#define LOOKS_AT_ONCE 5  /* so many of which may come early */
#define LAST_LOOK_NS 10000000
#define LOOK_AFTER_NS 150000   /* for the thread that closes to be done */
#define PEER_WAITS_NS 50000000 /* for a FIN, where nothing else is to be done; */
#define CPU_WAITS_NS 250000000 /* the same where it is a CPU that a thread waits for */
#define OWN_NUMBERS                                                                                \
    7 /* the first four, two while it writes a line, one while it looks at a thread */

/* All of it is the thread's alone. */
struct lot {
    struct lot_control *control;
    int feed; /* in the program's table, of which the thread begins with a copy */
    int log;
    long
        diag; /* number of the socket that asks what became of what is closed, -errno; 0: not opened yet */
    bool fed; /* somebody can still send parcels */
    uint32_t parked;
    uint32_t guests; /* of them */
    int64_t now;
    int64_t second; /* in which strikes are counted */
    unsigned strikes;
    unsigned spared; /* since now, by evict */
    int64_t period;  /* between two looks */
    int64_t looks;   /* when the looks at threads that there were would be due */
    struct threads threads;
    struct slots slots;
};

/* In mapped memory, from below: the stack, thread-local storage with the thread pointer in its
 * middle, the lot. */
struct memory {
    _Alignas(4096) char stack[STACK];
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

static struct parked *at(struct lot *lot, int fd)
{
    return slots_at(&lot->slots, fd);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

/* Whether there will be a last word about it: its close was logged, or data came that would have reset it. */
static bool is_told(const struct parked *p)
{
    return (p->flags & PARCEL_LOGGED || p->discarded || config.all_events) && event_admit();
}

/* The event, but for its outcome. */
static struct event begin_end(const struct lot *lot, int fd, const struct parked *p,
                              enum ended ended)
{
    struct event e = {
        .fd = p->fd,
        .pid = p->pid,
        .tid = p->tid,
        .via = (enum via)p->via,
        .verdict.cause = (enum cause)p->cause,
        .action = p->flags & PARCEL_LINGER ? ACTION_LINGERING : ACTION_DRAINING,
        .ended = ended,
        .is_end = true,
        .discarded = p->discarded,
        .ms = (uint64_t)(lot->now - p->since) / 1000000,
    };

    probe_facts(fd, PROBE_TCP, false, &e.probe);
    probe_details(fd, &e.probe);
    e.probe.local = probe_local(fd);
    e.probe.peer = p->peer;
    return e;
}

/* How much of it may be discarded before the others' turn; it has no other if it does not linger. */
static uint64_t turn_of(const struct parked *p)
{
    int64_t most = p->guest ? GUEST_TURN : p->flags & PARCEL_LINGER ? TURN : INT64_MAX;

    return (uint64_t)earliest((int64_t)(config.discard_max - p->discarded), most);
}

/* Whoever holds it too may have set SO_LINGER by now. What is not ours keeps it, where it asks for a reset:
 * that close does not wait. */
static void close_as_it_is(int fd, const struct parked *p)
{
    struct linger linger = {0, 0};
    unsigned len = sizeof(linger);

    if (p->options && p->order == BY_DOUBT)
        sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len);
    if (p->options && (p->order != BY_DOUBT || linger.l_linger > 0))
        parcel_discard(fd);
    else
        sys1(SYS_close, fd);
}

/* The outcome of a close in order, or of one that leaves it as it is, is what the kernel says afterwards. A
 * process that exits holds its own number still: then only the FIN of a half-close is certain. */
static void close_and_ask(struct lot *lot, int fd, const struct parked *p, struct event *e)
{
    struct diag_key key = {e->probe.local, e->probe.peer, e->probe.cookie, 0};
    struct verdict last = p->order == BY_DOUBT ? verdict_of(&e->probe.facts) : e->verdict;
    struct diag_answer before = {.what = DIAG_UNASKED};
    enum diag after = DIAG_UNASKED;
    struct told told;

    if (p->flags & PARCEL_EXITING) { /* whose own number keeps it open a moment longer */
        if (p->order == BY_DOUBT)
            e->verdict.outcome = OUTCOME_UNKNOWN;
        else
            e->confirmed = !verdict_sends_fin(e->probe.facts.state);
        close_as_it_is(fd, p);
        return;
    }
    if (!lot->diag)
        lot->diag = diag_open();
    if (lot->diag > 0)
        before = diag_ask_open((int)lot->diag, fd, &key);
    close_as_it_is(fd, p);
    if (before.what == DIAG_HELD)
        after = diag_ask((int)lot->diag, &key).what;
    told = outcome_of(&last, before.what, after, before.state, p->order == BY_DOUBT);
    if (after == DIAG_HELD && p->order != BY_DOUBT)
        told = (struct told){last.outcome, !verdict_sends_fin(e->probe.facts.state), false};
    if (told.claims && !ledger_claim(key.cookie))
        told = (struct told){.outcome = OUTCOME_NONE};
    e->verdict.outcome = told.outcome;
    e->confirmed = told.confirmed;
}

/* Drains what may be drained, closes, and tells. The kernel goes on sending what is not acknowledged. */
static void let_go(struct lot *lot, int fd, struct parked *p, enum ended ended)
{
    bool peers = ended == ENDED_PEER_FIN || ended == ENDED_PEER_RST;
    bool ours = !peers && p->order != BY_DOUBT;
    enum outcome outcome = ended == ENDED_PEER_RST ? OUTCOME_NONE : OUTCOME_FIN;
    struct event e;

    if (ours) {
        struct drained drained = drain(fd, turn_of(p));

        p->discarded += drained.bytes;
        if (drained.end == DRAINED_BOUND && sys_ioctl_int(fd, FIONREAD) > 0)
            outcome = OUTCOME_RST;
    }
    atomic_fetch_add_explicit(&ledger->counts.ended[ended], 1, memory_order_relaxed);
    if (!is_told(p)) {
        close_as_it_is(fd, p);
        return;
    }
    e = begin_end(lot, fd, p, ended);
    e.verdict.outcome = outcome;
    e.confirmed = peers;
    if (ours && outcome == OUTCOME_FIN)
        drain(fd, turn_of(p)); /* what came meanwhile */
    if (peers)
        close_as_it_is(fd, p);
    else
        close_and_ask(lot, fd, p, &e);
    if (e.verdict.outcome == OUTCOME_RST)
        summary_count_later();
    event_emit(&e);
}

static void leave_orders(struct lot *lot, int fd, struct parked *p)
{
    if (!p->in_call.gone)
        handing_forget(p->handing);
    slots_take_out(&lot->slots, fd, BY_SILENCE);
    if (p->guest)
        slots_take_out(&lot->slots, fd, BY_GUEST);
    slots_take_out(&lot->slots, fd, p->order);
    lot->guests -= p->guest;
    lot->parked--;
}

/* Taken out of the epoll set before it is closed: the program may still be on its way to its own close,
 * and this is not the last reference then. */
static void end(struct lot *lot, int fd, enum ended ended)
{
    struct parked *p = at(lot, fd);

    if (p->watched)
        sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_DEL, fd, 0);
    p->watched = false;
    leave_orders(lot, fd, p);
    let_go(lot, fd, p, ended);
    p->order = BY_LOOK; /* for ask_all */
}

/* ---- One connection -------------------------------------------------------------------------- */

static void put_behind(struct lot *lot, int fd, enum order order)
{
    slots_take_out(&lot->slots, fd, order);
    slots_put_last(&lot->slots, fd, order);
}

static void note_moved(struct lot *lot, int fd)
{
    struct parked *p = at(lot, fd);

    p->moved = lot->now;
    put_behind(lot, fd, BY_SILENCE);
    if (p->guest)
        put_behind(lot, fd, BY_GUEST);
}

static void note_unacked(struct lot *lot, int fd)
{
    struct parked *p = at(lot, fd);
    long answer = sys_ioctl_int(fd, SIOCOUTQ);
    uint32_t unacked = answer < 0 ? 0 : (uint32_t)answer;

    if (unacked < p->unacked)
        note_moved(lot, fd);
    p->unacked = unacked;
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
    struct parked *p = at(lot, fd);
    struct drained drained = drain(fd, turn_of(p));

    if (drained.bytes) {
        p->discarded += drained.bytes;
        p->spins = 0;
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

/* Without a clock no time limit holds: then the lot ends. */
static void take_time(struct lot *lot)
{
    int64_t now = real_clock_ns(CLOCK_MONOTONIC);
    int going_on = 0;

    if (now)
        lot->now = now;
    else
        atomic_compare_exchange_strong(&lot->control->stop, &going_on, ENDED_STOPPED);
    lot->spared = 0;
}

/* Ends the first in this order, or finds that it was not silent: acknowledgements come without an
 * event, and what came in may wait behind the parcels that make it crowded here. Where all of a
 * crowd are heard of, only so many are asked. */
static void evict(struct lot *lot, enum order order)
{
    int fd = slots_first(&lot->slots, order);
    struct parked *p = at(lot, fd);

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
static void reset_options(int fd)
{
    int one = 1;

    sys_linger_off(fd);
    sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, SYS_ARG(&one), sizeof(one), 0);
}

static void put_into(struct lot *lot, int fd, enum order order)
{
    at(lot, fd)->order = (uint8_t)order;
    slots_put_last(&lot->slots, fd, order);
}

static void look_again(struct lot *lot, int fd)
{
    at(lot, fd)->look = lot->now + lot->period;
    put_into(lot, fd, BY_LOOK);
}

/* A guest that pushes others out does what no honest one needs to; too much of it in a second costs its
 * family the feed (close_feed). */
static void strike(struct lot *lot)
{
    if (lot->now - lot->second > SECOND_NS) {
        lot->second = lot->now;
        lot->strikes = 0;
    }
    lot->strikes++;
}

/* Honest or not, guests have room for so many. */
static void make_room_of_guests(struct lot *lot)
{
    while (lot->guests > LOT_GUESTS) {
        strike(lot);
        evict(lot, BY_GUEST);
    }
}

/* All that the program has written is acknowledged. Our FIN, which was sent, counts as one. */
static bool is_delivered(struct lot *lot, int fd)
{
    if (at(lot, fd)->unacked > 1)
        note_unacked(lot, fd);
    return at(lot, fd)->unacked <= 1;
}

/* A client that gives up a download is owed no more than that what it sent arrives. True where that was the
 * end of it, and it is gone. */
static bool end_delivered(struct lot *lot, int fd)
{
    if (!(at(lot, fd)->flags & PARCEL_OPENED) || !is_delivered(lot, fd))
        return false;
    end(lot, fd, ENDED_DELIVERED);
    return true;
}

/* From here on it is ours to discard. */
static void welcome(struct lot *lot, int fd)
{
    struct parked *p = at(lot, fd);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

    look_again(lot, fd);
    if (!(p->flags & PARCEL_LINGER)) {
        end(lot, fd, ENDED_DRAINED);
        return;
    }
    if (discard(lot, fd))
        return;
    note_unacked(lot, fd);
    if (end_delivered(lot, fd))
        return;
    p->watched = sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_ADD, fd, SYS_ARG(&wanted)) == 0;
    if (!p->watched)
        end(lot, fd, ENDED_EVICTED);
}

/* After a nap: with a peer that is near most are over by then, and were never watched. */
static void welcome_all(struct lot *lot)
{
    int fd = slots_first(&lot->slots, BY_NAP);

    if (fd < 0)
        return;
    take_time(lot);
    for (; fd >= 0; fd = slots_first(&lot->slots, BY_NAP)) {
        slots_take_out(&lot->slots, fd, BY_NAP);
        welcome(lot, fd);
    }
}

/* No thread is in a call on it, nor will be. */
static void settle_doubt(struct lot *lot, int fd)
{
    struct parked *p = at(lot, fd);

    if (p->flags & PARCEL_SHARED) /* its signals were the others' too */
        sys3(SYS_fcntl, fd, F_SETOWN, 0);
    if (p->flags & PARCEL_HALF_CLOSE)
        sys2(SYS_shutdown, fd, SHUT_WR);
    if (p->options)
        reset_options(fd);
    slots_take_out(&lot->slots, fd, BY_DOUBT);
    note_moved(lot, fd);
    welcome(lot, fd);
}

/* Of what other processes hold this one gives up its part now. If all of them have, meanwhile, it is ours,
 * unless one has asked for a reset, or put it into an epoll set: the number by which we could take it out is
 * gone. */
static bool is_shared_yet(struct lot *lot, int fd)
{
    struct parked *p = at(lot, fd);
    struct fd_note note = {.serial = p->serial, .origin = p->origin};
    bool zero;

    if (!(p->flags & PARCEL_SHARED) ||
        (holders_release(&note) == HELD_BY_NOBODY && !(note.flags & FD_EPOLL_STUCK) &&
         !family_rings_elsewhere() && probe_zero_linger(fd, 0, &zero) && !zero))
        return false;
    leave_orders(lot, fd, p);
    close_as_it_is(fd, p);
    p->order = BY_LOOK;
    return true;
}

/* A thread sleeps in a call that may be on it, or has no CPU, for as long as lingering may last. Where
 * nothing is unread, and all is acknowledged, the peer may be waiting for its FIN; and of what others hold
 * they may be about to send one. */
static bool is_given_up(struct lot *lot, int fd, bool asleep)
{
    struct parked *p = at(lot, fd);
    int64_t waited = lot->now - p->since;

    if (waited >= config.linger_time || (p->flags & PARCEL_SHARED && waited >= CPU_WAITS_NS))
        return true;
    if (lot->now - p->moved >= earliest(config.linger_idle, PEER_WAITS_NS))
        note_unacked(lot, fd);
    if (waited >= (asleep ? PEER_WAITS_NS : CPU_WAITS_NS) && p->unacked == 0 &&
        sys_ioctl_int(fd, FIONREAD) <= 0)
        return true;
    return lot->now - p->moved >= config.linger_idle;
}

/* Unless a thread was told of it, in the call that it was in. */
static bool was_reset(int fd)
{
    struct pollfd error = {.fd = fd};
    struct timespec now = {0, 0};

    return sys6(SYS_ppoll, SYS_ARG(&error), 1, SYS_ARG(&now), 0, 0, 0) == 1 &&
           error.revents & POLLERR;
}

static void ask(struct lot *lot, int fd, bool last)
{
    struct parked *p = at(lot, fd);
    int number = p->flags & PARCEL_DUPED ? -1 : p->fd;
    enum threads_answer answer = threads_ask(&lot->threads, &p->in_call, fd, number, p->tid);

    if (answer == THREADS_OVER)
        end(lot, fd, was_reset(fd) ? ENDED_PEER_RST : ENDED_IN_USE);
    else if (answer == THREADS_OUT && !is_shared_yet(lot, fd))
        settle_doubt(lot, fd);
    else if (answer != THREADS_OUT && !last && is_given_up(lot, fd, answer == THREADS_ASLEEP))
        end(lot, fd, ENDED_IN_USE);
}

static void ask_all(struct lot *lot, bool last)
{
    int next;

    for (int fd = slots_first(&lot->slots, BY_DOUBT); fd >= 0; fd = next) {
        next = slots_after(&lot->slots, fd, BY_DOUBT);
        ask(lot, fd, last);
        if (next >= 0 && at(lot, next)->order != BY_DOUBT) /* evicted for this one */
            break;
    }
}

/* The number of a connection is gone once its close is over; the end of the process is the end of whatever
 * call somebody may begin after an exit. */
static void begin_all(struct lot *lot)
{
    for (int fd = slots_first(&lot->slots, BY_DOUBT); fd >= 0;
         fd = slots_after(&lot->slots, fd, BY_DOUBT)) {
        struct parked *p = at(lot, fd);

        if (!p->in_call.gone && (p->flags & PARCEL_EXITING || handing_is_over(p->handing)))
            threads_begin(&lot->threads, &p->in_call);
    }
}

static bool may_look(const struct lot *lot)
{
    return lot->looks - lot->now <= LOOKS_AT_ONCE * (int64_t)LOOK_NS;
}

/* What a look costs it costs once for all of them. */
static void look_at_threads(struct lot *lot)
{
    if (lot->looks < lot->now)
        lot->looks = lot->now;
    lot->looks += LOOK_NS;
    wait_ns(LOOK_AFTER_NS);
    begin_all(lot);
    threads_look(&lot->threads);
}

static void settle_doubts(struct lot *lot)
{
    if (slots_first(&lot->slots, BY_DOUBT) < 0 || !may_look(lot))
        return;
    look_at_threads(lot);
    take_time(lot);
    ask_all(lot, false);
}

/* The process ends, or does what this lot must not outlive: they have two looks, the second when a busy
 * thread has had its time. */
static void settle_last_doubts(struct lot *lot)
{
    int fd;

    for (fd = slots_first(&lot->slots, BY_DOUBT); fd >= 0;
         fd = slots_after(&lot->slots, fd, BY_DOUBT))
        threads_watch(&lot->threads, &at(lot, fd)->in_call, fd);
    for (int i = 0; i < 2 && slots_first(&lot->slots, BY_DOUBT) >= 0; i++) {
        wait_ns(i ? LAST_LOOK_NS : 1);
        look_at_threads(lot);
        ask_all(lot, true);
    }
    while ((fd = slots_first(&lot->slots, BY_DOUBT)) >= 0)
        end(lot, fd, ENDED_IN_USE);
}

/* Silent, as far as is known; what we had no CPU to take is not silence. True where it is gone. */
static bool end_idle(struct lot *lot, int fd)
{
    if (discard(lot, fd))
        return true;
    if (at(lot, fd)->moved == lot->now)
        return false;
    end(lot, fd, ENDED_IDLE);
    return true;
}

/* Those whose look is due. Whether output is acknowledged is asked only while some was not. */
static void look(struct lot *lot)
{
    int fd;

    while ((fd = slots_first(&lot->slots, BY_LOOK)) >= 0 && at(lot, fd)->look <= lot->now) {
        struct parked *p = at(lot, fd);

        if (p->unacked)
            note_unacked(lot, fd);
        if (end_delivered(lot, fd))
            continue;
        if (lot->now - p->since >= config.linger_time) {
            end(lot, fd, ENDED_TIME);
        } else if (lot->now - p->moved < config.linger_idle || !end_idle(lot, fd)) {
            slots_take_out(&lot->slots, fd, BY_LOOK);
            look_again(lot, fd);
        }
    }
}

/* Those that linger, for this reason: all, or those whose output has arrived. */
static void end_lingering(struct lot *lot, enum ended reason, bool all)
{
    int next;

    for (int fd = slots_first(&lot->slots, BY_LOOK); fd >= 0; fd = next) {
        next = slots_after(&lot->slots, fd, BY_LOOK);
        if ((all || is_delivered(lot, fd)) && !discard(lot, fd))
            end(lot, fd, reason);
    }
}

/* The process waits for us: not for a peer that merely stays, only while output is under way. */
static void hurry_exit(struct lot *lot)
{
    settle_last_doubts(lot);
    end_lingering(lot, ENDED_EXIT, false);
}

static void follow_mode(struct lot *lot)
{
    mode_change_look(lot->now);
    if (mode_now() < MODE_LINGER)
        end_lingering(lot, ENDED_STOPPED, true);
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

/* The thread of another process, if it has one of that number; else its first. */
static int thread_of(const struct received *r)
{
    return sys3(SYS_tgkill, r->pid, r->parcel.tid, 0) == -ESRCH ? r->pid : r->parcel.tid;
}

/* What the kernel says; of a connection that is over it says nothing, and then a process of the same
 * rights is believed. */
static struct endpoint peer_of(const struct received *r, const struct parked *p)
{
    struct endpoint peer = {.known = false};

    if (!p->own || p->flags & PARCEL_SHARED)
        peer = probe_peer(r->connection);
    return peer.known || p->guest ? peer : r->parcel.peer;
}

/* Of our own process what the message says is taken, of others what the kernel does. */
static void describe(const struct lot *lot, const struct received *r, struct parked *p)
{
    const struct parcel *parcel = &r->parcel;
    const uint32_t *own = lot->control->rights.words; /* of whose rights others are, is no guest */

    p->own = r->pid == atomic_load(&process->pid);
    p->guest = !p->own && (r->uid != own[REAL_UID] || r->gid != own[REAL_GID]);
    p->since = lot->now;
    p->moved = lot->now;
    p->fd = parcel->fd;
    p->via = parcel->via;
    p->cause = parcel->cause;
    p->flags = parcel->flags;
    p->handing = p->own ? parcel->handing : 0;
    p->in_call.shared = parcel->flags & PARCEL_SHARED;
    p->serial = parcel->serial;
    p->origin = parcel->origin;
    p->options = !p->own || parcel->flags & PARCEL_OPTIONS;
    p->pid = r->pid;
    p->tid = p->own ? parcel->tid : thread_of(r);
    p->peer = peer_of(r, p);
    p->order = p->flags & PARCEL_THREADS ? BY_DOUBT : BY_NAP;
}

/* A TCP socket that is connected, or was: it may be over by now, and have no peer any more. Our own process has
 * compared its peer. */
static bool is_welcome(const struct received *r, const struct parked *p)
{
    struct probe_position position;

    if (p->own)
        return true;
    return probe_kind(r->connection) == PROBE_TCP &&
           (probe_peer(r->connection).known ||
            (probe_position(r->connection, &position) && position.heard));
}

static void park(struct lot *lot, const struct received *r, struct parked *described)
{
    int fd = r->connection;
    struct parked *p = slots_new(&lot->slots, fd);

    if (!p || (described->order == BY_DOUBT && !described->own)) { /* whose threads nobody sees */
        handing_forget(described->handing);
        let_go(lot, fd, described, p ? ENDED_IN_USE : ENDED_EVICTED);
        return;
    }
    memcpy(p, described, offsetof(struct parked, at));
    lot->parked++;
    lot->guests += p->guest;
    slots_put_last(&lot->slots, fd, BY_SILENCE);
    if (p->guest)
        slots_put_last(&lot->slots, fd, BY_GUEST);
    put_into(lot, fd, p->order);
    make_room_of_guests(lot);
}

static void take_parcel(struct lot *lot, const struct received *r)
{
    struct parked p = {.since = 0};

    if (r->connection < 0 || !r->whole) {
        if (r->connection >= 0)
            parcel_discard(r->connection);
        if (r->pid != atomic_load(&process->pid)) /* ours may just have waked us */
            strike(lot);
        return;
    }
    describe(lot, r, &p);
    atomic_store(&lot->control->busy, 1);
    if (p.own)
        atomic_fetch_add_explicit(&lot->control->taken, 1, memory_order_relaxed);
    if (!is_welcome(r, &p)) {
        parcel_discard(r->connection);
        if (!p.own)
            strike(lot);
        return;
    }
    if (p.options && p.order != BY_DOUBT)
        reset_options(r->connection);
    park(lot, r, &p);
}

static void lose_feed(struct lot *lot)
{
    sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_DEL, FEED, 0);
    lot->fed = false;
    atomic_store(&lot->control->welcome, 0);
}

/* False where nothing waits any more. */
static bool take_parcels(struct lot *lot)
{
    uint32_t most = capacity();
    struct received received;
    enum receive answer = RECEIVE_PARCEL;

    for (int i = 0; i < PARCELS; i++) {
        while (lot->parked && lot->parked >= most)
            evict(lot, lot->guests ? BY_GUEST : BY_SILENCE);
        answer = parcel_receive(FEED, &received);
        if (answer != RECEIVE_PARCEL)
            break;
        take_parcel(lot, &received);
    }
    if (answer == RECEIVE_END || answer == RECEIVE_FAILED)
        lose_feed(lot);
    return answer == RECEIVE_PARCEL;
}

/* A parcel that came after the last look would be closed by the kernel, with all that is unread: so
 * whoever sends from now on is refused, and sends to another lot. */
static void close_feed(struct lot *lot)
{
    atomic_store(&lot->control->welcome, 0);
    sys2(SYS_shutdown, FEED, SHUT_RD);
    while (lot->fed && take_parcels(lot))
        ;
    lose_feed(lot);
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* Milliseconds until somebody must be looked at, rounded up; -1: never. A lot that no message can reach
 * looks by itself whether it should stop. */
static int patience(struct lot *lot)
{
    int fd = slots_first(&lot->slots, BY_LOOK);
    int64_t ns = fd < 0 ? INT64_MAX : at(lot, fd)->look - lot->now;

    if (!lot->fed)
        ns = earliest(ns, 50000000);
    if (lot->parked && atomic_load(&lot->control->finish) == LOT_PROCESS_EXITS)
        ns = earliest(ns, EXIT_LOOK_NS);
    if (lot->parked && config.controlled)
        ns = earliest(ns, SECOND_NS);
    if (slots_first(&lot->slots, BY_DOUBT) >= 0)
        ns = may_look(lot) ? 0
                           : earliest(ns, lot->looks - lot->now - LOOKS_AT_ONCE * (int64_t)LOOK_NS);
    if (ns == INT64_MAX)
        return -1;
    return ns <= 0 ? 0 : (int)earliest(ns / 1000000 + 1, 60000);
}

/* An event of a guest's that brings nothing, again and again, is of its making. */
static void take_event(struct lot *lot, const struct epoll_event *event)
{
    int fd = event->data.fd;
    struct parked *p = fd == FEED ? NULL : at(lot, fd);

    if (!p) {
        take_parcels(lot);
    } else if (p->watched && !discard(lot, fd) && !end_delivered(lot, fd)) {
        /* not evicted meanwhile */
        if (event->events & EPOLLERR)
            discard_notices(fd);
        if (p->guest && ++p->spins == UINT8_MAX)
            end(lot, fd, ENDED_EVICTED);
    }
}

/* Waits for events, at most so long; true where there were some. A lot that can't wait ends. */
static bool tend(struct lot *lot, int ms)
{
    struct epoll_event events[EVENTS];
    long n = sys6(SYS_epoll_pwait, EPOLL, SYS_ARG(events), EVENTS, ms, 0, 0);
    int going_on = 0;

    take_time(lot);
    for (long i = 0; i < n; i++)
        take_event(lot, &events[i]);
    if (n < 0 && n != -EINTR)
        atomic_compare_exchange_strong(&lot->control->stop, &going_on, ENDED_STOPPED);
    return n > 0;
}

/* Being woken for each parcel would cost its sender more than the parcel does. Ends early when many
 * wait. */
static void nap(struct lot *lot)
{
    const struct timespec time = {0, NAP_NS};
    struct lot_control *control = lot->control;

    atomic_store(&control->napping, 1);
    if (atomic_load(&control->sent) - atomic_load(&control->taken) < LOT_HASTE)
        sys6(SYS_futex, SYS_ARG(&control->napping), FUTEX_WAIT, 1, SYS_ARG(&time), 0, 0);
    atomic_store(&control->napping, 0);
}

static bool takes_no_more(const struct lot *lot)
{
    return lot->strikes > LOT_STRIKES || (lot->parked == 0 && atomic_load(&lot->control->finish));
}

static bool is_over(const struct lot *lot)
{
    return atomic_load(&lot->control->stop) || (lot->parked == 0 && !lot->fed);
}

static void end_all(struct lot *lot)
{
    int stop = atomic_load(&lot->control->stop);
    int fd;

    close_feed(lot);
    settle_last_doubts(lot);
    while ((fd = slots_first(&lot->slots, BY_SILENCE)) >= 0)
        if (at(lot, fd)->order == BY_DOUBT || !discard(lot, fd)) /* its peer may be done by now */
            end(lot, fd, stop ? (enum ended)stop : ENDED_EXIT);
}

/* The thread begins with a copy of the program's table, of which it keeps two. */
static bool settle_table(struct lot *lot)
{
    struct epoll_event parcels = {.events = EPOLLIN, .data.fd = FEED};
    long log = -1;
    long epoll;

    /* Out of the way of the first four. */
    long feed = sys3(SYS_fcntl, lot->feed, F_DUPFD_CLOEXEC, FIRST);
    int tasks = threads_open_tasks();
    long high = tasks < 0 ? -1 : sys3(SYS_fcntl, tasks, F_DUPFD_CLOEXEC, FIRST);

    if (lot->log >= 0)
        log = sys3(SYS_fcntl, lot->log, F_DUPFD_CLOEXEC, FIRST);
    if (feed < 0 || sys3(SYS_dup3, feed, FEED, O_CLOEXEC) < 0)
        return false;
    if (log < 0 || sys3(SYS_dup3, log, LOG, O_CLOEXEC) < 0)
        sys1(SYS_close, LOG);
    threads_start(&lot->threads,
                  high >= 0 && sys3(SYS_dup3, high, TASKS, O_CLOEXEC) == TASKS ? TASKS : -1);
    sys1(SYS_close, EPOLL);
    if (sys3(SYS_close_range, lot->threads.tasks < 0 ? TASKS : FIRST, ~0U, 0) <
        0) /* before Linux 5.9 */
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

static bool settle(struct lot *lot)
{
    rights_ask(&lot->control->rights); /* before a nudge may renew them */
    return nudge_admit() && settle_table(lot);
}

/* A program with a real-time policy did not mean this. */
static void not_urgent(void)
{
    const struct sched_param none = {0};
    long policy = sys1(SYS_sched_getscheduler, 0) & ~SCHED_RESET_ON_FORK;

    if (policy == SCHED_FIFO || policy == SCHED_RR)
        sys3(SYS_sched_setscheduler, 0, SCHED_OTHER, SYS_ARG(&none));
}

static void tend_all(struct lot *lot)
{
    bool busy = true;

    take_time(lot);
    while (!is_over(lot)) {
        welcome_all(lot);
        atomic_store(&lot->control->busy, lot->parked > 0);
        busy = tend(lot, busy ? 0 : patience(lot));
        if (atomic_load(&lot->control->finish)) {
            welcome_all(lot);
            if (atomic_load(&lot->control->finish) == LOT_PROCESS_EXITS)
                hurry_exit(lot);
        }
        settle_doubts(lot);
        look(lot);
        if (lot->parked && config.controlled)
            follow_mode(lot);
        if (lot->fed && takes_no_more(lot))
            close_feed(lot); /* what waited in it lingers as long as the rest */
        if (busy && !is_over(lot) && (slots_first(&lot->slots, BY_DOUBT) < 0 || !may_look(lot)))
            nap(lot);
    }
    end_all(lot);
}

/* The program may take from itself, thread by thread, what an exec would give (no_new_privs, the bounding set, secure
 * bits: prctl(2)). Ours never executes a program, so it can do without at once. */
static __attribute__((noinline)) void gain_nothing(void)
{
    sys6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
}

static void body(void *argument)
{
    struct lot *lot = argument;
    bool settled;

    sys2(SYS_prctl, PR_SET_NAME, SYS_ARG("safeclose-lot"));
    not_urgent();
    gain_nothing();
    settled = settle(lot);
    if (!settled)
        atomic_store(&lot->control->welcome, 0);
    atomic_store(&lot->control->sees, lot->threads.tasks >= 0);
    atomic_store(&lot->control->phase, settled ? LOT_SETTLED : LOT_FAILED);
    sys3(SYS_futex, SYS_ARG(&lot->control->phase), FUTEX_WAKE, INT_MAX);
    if (!settled)
        return;
    sink_in_lot(LOG);
    tend_all(lot);
    slots_free(&lot->slots);
    threads_stop(&lot->threads);
}

/* On x86-64 the thread pointer points to itself, and what compilers check frames with lies after it. */
static void make_tls(char *tls)
{
#if defined(__x86_64__)
    uintptr_t itself = (uintptr_t)tls;
    uintptr_t guard;

    __asm__("mov %%fs:0x28, %0" : "=r"(guard));
    memcpy(tls, &itself, sizeof(itself));
    memcpy(tls + 0x28, &guard, sizeof(guard));
#else
    (void)tls;
#endif
}

/* Where the memory is locked (mlockall) it can't be emptied, only overwritten. */
static void empty(struct memory *m)
{
    slots_free(&m->lot.slots);
    threads_stop(&m->lot.threads);
    if (sys3(SYS_madvise, SYS_ARG(m), sizeof(*m), MADV_DONTNEED) < 0)
        memset((char *)m + STACK, 0, sizeof(*m) - STACK);
}

long lot_start(void *memory, struct lot_control *control, _Atomic int *tid, int feed, int log)
{
    const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    struct memory *m = memory;

    empty(m);
    m->lot.control = control;
    m->lot.feed = feed;
    m->lot.log = log;
    m->lot.fed = true;
    m->lot.period = earliest(config.linger_idle, config.linger_time) / 4 + 1;
    slots_start(&m->lot.slots);
    make_tls(m->tls_above);
    return lot_clone(flags, m->stack + sizeof(m->stack), m->tls_above, tid, body, &m->lot);
}
