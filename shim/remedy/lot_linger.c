#include "safeclose.h"

#include "ground/real.h"
#include "ground/sys.h"
#include "remedy/drain.h"
#include "remedy/lot_state.h"
#include "remedy/parcel.h"
#include "settings/config.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define MOST_SPARED 1024 /* by evict, in one round: 1 us each */

static void put_behind(struct lot *lot, int fd, enum order order)
{
    slots_take_out(&lot->slots, fd, order);
    slots_put_last(&lot->slots, fd, order);
}

void lot_note_moved(struct lot *lot, int fd)
{
    struct parked *p = lot_at(lot, fd);

    p->moved = lot->now;
    put_behind(lot, fd, BY_SILENCE);
    if (p->guest)
        put_behind(lot, fd, BY_GUEST);
}

void lot_note_unacked(struct lot *lot, int fd)
{
    struct parked *p = lot_at(lot, fd);
    long answer = sys_ioctl_int(fd, SIOCOUTQ);
    uint32_t unacked = answer < 0 ? 0 : (uint32_t)answer;

    if (unacked < p->unacked)
        lot_note_moved(lot, fd);
    p->unacked = unacked;
}

/* Notices about the program's output (MSG_ZEROCOPY, for one) keep the socket ready until they are taken. */
void lot_discard_notices(int fd)
{
    struct msghdr none = {0};

    for (int i = 0; i < EVENTS; i++)
        if (sys3(SYS_recvmsg, fd, SYS_ARG(&none), MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
}

/* Discards what came. True if that ended the connection; then it is gone. */
bool lot_discard(struct lot *lot, int fd)
{
    struct parked *p = lot_at(lot, fd);
    struct drained drained = drain(fd, lot_turn_of(p));

    if (drained.bytes) {
        p->discarded += drained.bytes;
        p->spins = 0;
        lot_note_moved(lot, fd);
    }
    if (drained.end == DRAINED_FIN)
        lot_end(lot, fd, ENDED_PEER_FIN);
    else if (drained.end == DRAINED_ERROR)
        lot_end(lot, fd, ENDED_PEER_RST);
    else if (drained.end == DRAINED_BOUND && p->discarded >= config.discard_max)
        lot_end(lot, fd, ENDED_BYTES);
    else
        return false;
    return true;
}

/* Without a clock there are no time limits, so the lot ends. */
void lot_take_time(struct lot *lot)
{
    int64_t now = real_clock_ns(CLOCK_MONOTONIC);
    int going_on = 0;

    if (now)
        lot->now = now;
    else
        atomic_compare_exchange_strong(&lot->control->stop, &going_on, ENDED_STOPPED);
    lot->spared = 0;
}

/* Ends the first connection of this order, unless it turns out not to be silent: acknowledgements cause no event, and
 * data may not have been read yet because of the many parcels. Only so many are asked in a round. */
void lot_evict(struct lot *lot, enum order order)
{
    int fd = slots_first(&lot->slots, order);
    struct parked *p = lot_at(lot, fd);

    if (p->moved != lot->now && lot->spared < MOST_SPARED) {
        lot->spared++;
        if (p->unacked)
            lot_note_unacked(lot, fd);
        if ((p->order != BY_DOUBT && lot_discard(lot, fd)) || p->moved == lot->now)
            return;
    }
    lot_end(lot, fd, ENDED_EVICTED);
}

/* Our close must not wait for the peer (SO_LINGER), nor our events for many bytes (SO_RCVLOWAT). */
void lot_reset_options(int fd)
{
    int one = 1;

    sys_linger_off(fd);
    sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, SYS_ARG(&one), sizeof(one), 0);
}

void lot_put_into(struct lot *lot, int fd, enum order order)
{
    lot_at(lot, fd)->order = (uint8_t)order;
    slots_put_last(&lot->slots, fd, order);
}

static void look_again(struct lot *lot, int fd)
{
    lot_at(lot, fd)->look = lot->now + lot->period;
    lot_put_into(lot, fd, BY_LOOK);
}

/* No honest process needs to push others out. If guests do so too often in a second, their family loses the feed
 * (lot_close_feed). */
void lot_strike(struct lot *lot)
{
    if (lot->now - lot->second > SECOND_NS) {
        lot->second = lot->now;
        lot->strikes = 0;
    }
    lot->strikes++;
}

/* Guests have room for LOT_GUESTS connections, honest or not. */
void lot_make_room_of_guests(struct lot *lot)
{
    while (lot->guests > LOT_GUESTS) {
        lot_strike(lot);
        lot_evict(lot, BY_GUEST);
    }
}

/* Whether all output of the program is acknowledged. Our FIN counts as one byte. */
static bool is_delivered(struct lot *lot, int fd)
{
    if (lot_at(lot, fd)->unacked > 1)
        lot_note_unacked(lot, fd);
    return lot_at(lot, fd)->unacked <= 1;
}

/* Ends a connection that the program opened once its output has arrived: a client that gives up a download needs no
 * more. True if it is gone. */
bool lot_end_delivered(struct lot *lot, int fd)
{
    if (!(lot_at(lot, fd)->flags & PARCEL_OPENED) || !is_delivered(lot, fd))
        return false;
    lot_end(lot, fd, ENDED_DELIVERED);
    return true;
}

/* From now on we may discard what it receives. */
void lot_welcome(struct lot *lot, int fd)
{
    struct parked *p = lot_at(lot, fd);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

    look_again(lot, fd);
    if (!(p->flags & PARCEL_LINGER)) {
        lot_end(lot, fd, ENDED_DRAINED);
        return;
    }
    if (lot_discard(lot, fd))
        return;
    lot_note_unacked(lot, fd);
    if (lot_end_delivered(lot, fd))
        return;
    p->watched = sys4(SYS_epoll_ctl, EPOLL, EPOLL_CTL_ADD, fd, SYS_ARG(&wanted)) == 0;
    if (!p->watched)
        lot_end(lot, fd, ENDED_EVICTED);
}

/* After a nap. If the peer is near, most connections are over by then, and never enter the epoll set. */
void lot_welcome_all(struct lot *lot)
{
    int fd = slots_first(&lot->slots, BY_NAP);

    if (fd < 0)
        return;
    lot_take_time(lot);
    for (; fd >= 0; fd = slots_first(&lot->slots, BY_NAP)) {
        slots_take_out(&lot->slots, fd, BY_NAP);
        lot_welcome(lot, fd);
    }
}

/* Ends a connection that seems silent, unless data has come that we had no CPU to read. True if it is gone. */
static bool end_idle(struct lot *lot, int fd)
{
    if (lot_discard(lot, fd))
        return true;
    if (lot_at(lot, fd)->moved == lot->now)
        return false;
    lot_end(lot, fd, ENDED_IDLE);
    return true;
}

/* Looks at the connections that are due. Asks about unacknowledged output only if there was any. */
void lot_look(struct lot *lot)
{
    int fd;

    while ((fd = slots_first(&lot->slots, BY_LOOK)) >= 0 && lot_at(lot, fd)->look <= lot->now) {
        struct parked *p = lot_at(lot, fd);

        if (p->unacked)
            lot_note_unacked(lot, fd);
        if (lot_end_delivered(lot, fd))
            continue;
        if (lot->now - p->since >= config.linger_time) {
            lot_end(lot, fd, ENDED_TIME);
        } else if (lot->now - p->moved < config.linger_idle || !end_idle(lot, fd)) {
            slots_take_out(&lot->slots, fd, BY_LOOK);
            look_again(lot, fd);
        }
    }
}

/* Ends those that linger, for this reason: all, or those whose output has arrived. */
void lot_end_lingering(struct lot *lot, enum ended reason, bool all)
{
    int next;

    for (int fd = slots_first(&lot->slots, BY_LOOK); fd >= 0; fd = next) {
        next = slots_after(&lot->slots, fd, BY_LOOK);
        if ((all || is_delivered(lot, fd)) && !lot_discard(lot, fd))
            lot_end(lot, fd, reason);
    }
}
