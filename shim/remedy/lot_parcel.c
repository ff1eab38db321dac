#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "remedy/handing.h"
#include "remedy/lot_state.h"
#include "remedy/parcel.h"
#include "settings/config.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#define PARCELS 256 /* taken before those that are parked have their turn */
#define OWN_NUMBERS                                                                                \
    7 /* the first four, two while it writes a line, one while it looks at a thread */

/* How many connections can be parked. The kernel closes a descriptor that finds no room in the table, with all that
 * is unread. */
static uint32_t capacity(void)
{
    struct rlimit limit = {FIRST + LOT_MOST, 0};
    uint32_t most = LOT_MOST;

    sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, SYS_ARG(&limit));
    if (limit.rlim_cur < FIRST + LOT_MOST)
        most = limit.rlim_cur > OWN_NUMBERS + 1 ? (uint32_t)limit.rlim_cur - OWN_NUMBERS : 1;
    return most;
}

/* The other process's thread with this id, if it has one; else its first thread. */
static int thread_of(const struct received *r)
{
    return sys3(SYS_tgkill, r->pid, r->parcel.tid, 0) == -ESRCH ? r->pid : r->parcel.tid;
}

/* The peer as the kernel says. If the connection is over, it has none; then a process of the same rights is believed.
 * */
static struct endpoint peer_of(const struct received *r, const struct parked *p)
{
    struct endpoint peer = {.known = false};

    if (!p->own || p->flags & PARCEL_SHARED)
        peer = probe_peer(r->connection);
    return peer.known || p->guest ? peer : r->parcel.peer;
}

/* From our own process the message is believed; about others the kernel is asked. */
static void describe(const struct lot *lot, const struct received *r, struct parked *p)
{
    const struct parcel *parcel = &r->parcel;
    const uint32_t *own =
        lot->control->rights.words; /* a process with these real ids is no guest */

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

/* Whether it is a TCP socket that is connected or was; it may be over by now, and have no peer. Our own process has
 * compared the peer already. */
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
        lot_let_go(lot, fd, described, p ? ENDED_IN_USE : ENDED_EVICTED);
        return;
    }
    memcpy(p, described, offsetof(struct parked, at));
    lot->parked++;
    lot->guests += p->guest;
    slots_put_last(&lot->slots, fd, BY_SILENCE);
    if (p->guest)
        slots_put_last(&lot->slots, fd, BY_GUEST);
    lot_put_into(lot, fd, p->order);
    lot_make_room_of_guests(lot);
}

static void take_parcel(struct lot *lot, const struct received *r)
{
    struct parked p = {.since = 0};

    if (r->connection < 0 || !r->whole) {
        if (r->connection >= 0)
            parcel_discard(r->connection);
        if (r->pid != atomic_load(&process->pid)) /* ours may just have waked us */
            lot_strike(lot);
        return;
    }
    describe(lot, r, &p);
    atomic_store(&lot->control->busy, 1);
    if (p.own)
        atomic_fetch_add_explicit(&lot->control->taken, 1, memory_order_relaxed);
    if (!is_welcome(r, &p)) {
        parcel_discard(r->connection);
        if (!p.own)
            lot_strike(lot);
        return;
    }
    if (p.options && p.order != BY_DOUBT)
        lot_reset_options(r->connection);
    park(lot, r, &p);
}

static void lose_feed(struct lot *lot)
{
    sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_DEL, FEED, 0);
    lot->has_senders = false;
    atomic_store(&lot->control->welcome, 0);
}

/* False if nothing waits any more. */
bool lot_take_parcels(struct lot *lot)
{
    uint32_t most = capacity();
    struct received received;
    enum receive answer = RECEIVE_PARCEL;

    for (int i = 0; i < PARCELS; i++) {
        while (lot->parked && lot->parked >= most)
            lot_evict(lot, lot->guests ? BY_GUEST : BY_SILENCE);
        answer = parcel_receive(FEED, &received);
        if (answer != RECEIVE_PARCEL)
            break;
        take_parcel(lot, &received);
    }
    if (answer == RECEIVE_END || answer == RECEIVE_FAILED)
        lose_feed(lot);
    return answer == RECEIVE_PARCEL;
}

/* The kernel would close a parcel that comes after the last look, with all that is unread. So senders are refused
 * from now on, and use another lot. */
void lot_close_feed(struct lot *lot)
{
    atomic_store(&lot->control->welcome, 0);
    sys2(SYS_shutdown, FEED, SHUT_RD);
    while (lot->has_senders && lot_take_parcels(lot))
        ;
    lose_feed(lot);
}
