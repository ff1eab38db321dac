#include "safeclose.h"

#include "ground/sys.h"
#include "ground/wait.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "remedy/handing.h"
#include "remedy/lot_state.h"
#include "remedy/parcel.h"
#include "settings/config.h"

#include <poll.h>
#include <sys/ioctl.h>

#define LAST_LOOK_NS 10000000
#define LOOK_AFTER_NS 150000   /* for the thread that closes to be done */
#define PEER_WAITS_NS 50000000 /* for a FIN, where nothing else is to be done; */
#define CPU_WAITS_NS 250000000 /* the same where it is a CPU that a thread waits for */

/* It is proven that no thread is in a call on it, and that none will be. */
static void settle_doubt(struct lot *lot, int fd)
{
    struct parked *p = lot_at(lot, fd);

    if (p->flags & PARCEL_SHARED) /* its signals were the others' too */
        sys3(SYS_fcntl, fd, F_SETOWN, 0);
    if (p->flags & PARCEL_HALF_CLOSE)
        sys2(SYS_shutdown, fd, SHUT_WR);
    if (p->options)
        lot_reset_options(fd);
    slots_take_out(&lot->slots, fd, BY_DOUBT);
    lot_note_moved(lot, fd);
    lot_welcome(lot, fd);
}

/* For a connection that other processes hold: this process gives up its share now. If all others have done so
 * meanwhile, it is ours; but not if one of them asked for a reset, or put it into an epoll set: the number that could
 * take it out is gone. True if it is not ours, and closed. */
static bool is_shared_yet(struct lot *lot, int fd)
{
    struct parked *p = lot_at(lot, fd);
    struct fd_info info = {.serial = p->serial, .origin = p->origin};
    bool zero;

    if (!(p->flags & PARCEL_SHARED) ||
        (holders_release(&info) == HELD_BY_NOBODY && !(info.flags & FD_EPOLL_STUCK) &&
         !family_rings_elsewhere() && probe_zero_linger(fd, 0, &zero) && !zero))
        return false;
    lot_leave_orders(lot, fd, p);
    lot_close_as_it_is(fd, p);
    p->order = BY_LOOK;
    return true;
}

/* Whether to stop waiting for a thread that sleeps in a call that may be on it, or that gets no CPU. The limits of
 * lingering end that. So does a connection with nothing unread and nothing unacknowledged, because its peer may be
 * waiting for FIN; and one that others hold, because they may be about to send it. */
static bool is_given_up(struct lot *lot, int fd, bool asleep)
{
    struct parked *p = lot_at(lot, fd);
    int64_t waited = lot->now - p->since;

    if (waited >= config.linger_time || (p->flags & PARCEL_SHARED && waited >= CPU_WAITS_NS))
        return true;
    if (lot->now - p->moved >= lot_earliest(config.linger_idle, PEER_WAITS_NS))
        lot_note_unacked(lot, fd);
    if (waited >= (asleep ? PEER_WAITS_NS : CPU_WAITS_NS) && p->unacked == 0 &&
        sys_ioctl_int(fd, FIONREAD) <= 0)
        return true;
    return lot->now - p->moved >= config.linger_idle;
}

/* Whether the peer has reset it, and no thread's call has taken that error. */
static bool was_reset(int fd)
{
    struct pollfd error = {.fd = fd};
    struct timespec now = {0, 0};

    return sys6(SYS_ppoll, SYS_ARG(&error), 1, SYS_ARG(&now), 0, 0, 0) == 1 &&
           error.revents & POLLERR;
}

static void ask(struct lot *lot, int fd, bool last)
{
    struct parked *p = lot_at(lot, fd);
    int number = p->flags & PARCEL_DUPED ? -1 : p->fd;
    enum threads_answer answer = threads_ask(&lot->threads, &p->in_call, fd, number, p->tid);

    if (answer == THREADS_OVER)
        lot_end(lot, fd, was_reset(fd) ? ENDED_PEER_RST : ENDED_IN_USE);
    else if (answer == THREADS_OUT && !is_shared_yet(lot, fd))
        settle_doubt(lot, fd);
    else if (answer != THREADS_OUT && !last && is_given_up(lot, fd, answer == THREADS_ASLEEP))
        lot_end(lot, fd, ENDED_IN_USE);
}

static void ask_all(struct lot *lot, bool last)
{
    int next;

    for (int fd = slots_first(&lot->slots, BY_DOUBT); fd >= 0; fd = next) {
        next = slots_after(&lot->slots, fd, BY_DOUBT);
        ask(lot, fd, last);
        if (next >= 0 && lot_at(lot, next)->order != BY_DOUBT) /* evicted for this one */
            break;
    }
}

/* Once a close is over, the connection's number is gone, and its wait for threads begins. At an exit it begins at
 * once: calls that threads may still begin end with the process. */
static void begin_all(struct lot *lot)
{
    for (int fd = slots_first(&lot->slots, BY_DOUBT); fd >= 0;
         fd = slots_after(&lot->slots, fd, BY_DOUBT)) {
        struct parked *p = lot_at(lot, fd);

        if (!p->in_call.gone && (p->flags & PARCEL_EXITING || handing_is_over(p->handing)))
            threads_begin(&lot->threads, &p->in_call);
    }
}

bool lot_may_look(const struct lot *lot)
{
    return lot->looks - lot->now <= LOOKS_AT_ONCE * (int64_t)LOOK_NS;
}

/* One look serves all connections that wait. */
static void look_at_threads(struct lot *lot)
{
    if (lot->looks < lot->now)
        lot->looks = lot->now;
    lot->looks += LOOK_NS;
    wait_ns(LOOK_AFTER_NS);
    begin_all(lot);
    threads_look(&lot->threads);
}

void lot_settle_doubts(struct lot *lot)
{
    if (slots_first(&lot->slots, BY_DOUBT) < 0 || !lot_may_look(lot))
        return;
    look_at_threads(lot);
    lot_take_time(lot);
    ask_all(lot, false);
}

/* The process ends, changes its rights or namespaces, or starts another program. Looks twice more; the second look
 * comes after a busy thread has had some CPU. */
void lot_settle_last_doubts(struct lot *lot)
{
    int fd;

    for (fd = slots_first(&lot->slots, BY_DOUBT); fd >= 0;
         fd = slots_after(&lot->slots, fd, BY_DOUBT))
        threads_watch(&lot->threads, &lot_at(lot, fd)->in_call, fd);
    for (int i = 0; i < 2 && slots_first(&lot->slots, BY_DOUBT) >= 0; i++) {
        wait_ns(i ? LAST_LOOK_NS : 1);
        look_at_threads(lot);
        ask_all(lot, true);
    }
    while ((fd = slots_first(&lot->slots, BY_DOUBT)) >= 0)
        lot_end(lot, fd, ENDED_IN_USE);
}
