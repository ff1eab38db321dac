#include "safeclose.h"

#include "ground/rights.h"
#include "ground/sys.h"
#include "holders/threads.h"
#include "remedy/lot_clone.h"
#include "remedy/lot_state.h"
#include "remedy/mode_change.h"
#include "remedy/nudge.h"
#include "report/sink.h"
#include "settings/config.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

_Static_assert(FIRST + LOT_MOST <= SLOTS, "every number that can be parked has a place");

#ifdef __SANITIZE_ADDRESS__
#define STACK 262144 /* its frames are several times as large */
#else
#define STACK 32768
#endif
#define TLS_HALF 65536
#define NAP_NS 3000000       /* how long it collects before it looks again */
#define EXIT_LOOK_NS 5000000 /* between two looks at what an exiting process waits for */

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

/* The process waits for us at its exit: ends what has delivered its output, so that no peer can make the process wait
 * by staying. */
static void hurry_exit(struct lot *lot)
{
    lot_settle_last_doubts(lot);
    lot_end_lingering(lot, ENDED_EXIT, false);
}

static void follow_mode(struct lot *lot)
{
    mode_change_look(lot->now);
    if (mode_now() < MODE_LINGER)
        lot_end_lingering(lot, ENDED_STOPPED, true);
}

/* Milliseconds until a connection must be looked at, rounded up; -1: never. A lot that no message can reach checks by
 * itself whether it should stop. */
static int patience(struct lot *lot)
{
    int fd = slots_first(&lot->slots, BY_LOOK);
    int64_t ns = fd < 0 ? INT64_MAX : lot_at(lot, fd)->look - lot->now;

    if (!lot->has_senders)
        ns = lot_earliest(ns, 50000000);
    if (lot->parked && atomic_load(&lot->control->finish) == LOT_PROCESS_EXITS)
        ns = lot_earliest(ns, EXIT_LOOK_NS);
    if (lot->parked && config.controlled)
        ns = lot_earliest(ns, SECOND_NS);
    if (slots_first(&lot->slots, BY_DOUBT) >= 0)
        ns = lot_may_look(lot)
                 ? 0
                 : lot_earliest(ns, lot->looks - lot->now - LOOKS_AT_ONCE * (int64_t)LOOK_NS);
    if (ns == INT64_MAX)
        return -1;
    return ns <= 0 ? 0 : (int)lot_earliest(ns / 1000000 + 1, 60000);
}

/* If a guest's connection has events again and again that bring nothing, the guest causes them: it is ended. */
static void take_event(struct lot *lot, const struct epoll_event *event)
{
    int fd = event->data.fd;
    struct parked *p = fd == FEED ? NULL : lot_at(lot, fd);

    if (!p) {
        lot_take_parcels(lot);
    } else if (p->watched && !lot_discard(lot, fd) && !lot_end_delivered(lot, fd)) {
        /* not evicted meanwhile */
        if (event->events & EPOLLERR)
            lot_discard_notices(fd);
        if (p->guest && ++p->spins == UINT8_MAX)
            lot_end(lot, fd, ENDED_EVICTED);
    }
}

/* Waits for events, at most ms; true if there were any. A lot that can't wait ends. */
static bool tend(struct lot *lot, int ms)
{
    struct epoll_event events[EVENTS];
    long n = sys6(SYS_epoll_pwait, EPOLL, SYS_ARG(events), EVENTS, ms, 0, 0);
    int going_on = 0;

    lot_take_time(lot);
    for (long i = 0; i < n; i++)
        take_event(lot, &events[i]);
    if (n < 0 && n != -EINTR)
        atomic_compare_exchange_strong(&lot->control->stop, &going_on, ENDED_STOPPED);
    return n > 0;
}

/* Collects parcels for a while: waking the lot for each one would cost the sender more than sending it. Ends early if
 * many wait. */
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
    return atomic_load(&lot->control->stop) || (lot->parked == 0 && !lot->has_senders);
}

static void end_all(struct lot *lot)
{
    int stop = atomic_load(&lot->control->stop);
    int fd;

    lot_close_feed(lot);
    lot_settle_last_doubts(lot);
    while ((fd = slots_first(&lot->slots, BY_SILENCE)) >= 0)
        if (lot_at(lot, fd)->order == BY_DOUBT ||
            !lot_discard(lot, fd)) /* its peer may be done by now */
            lot_end(lot, fd, stop ? (enum ended)stop : ENDED_EXIT);
}

/* The thread begins with a copy of the program's descriptor table, and keeps two descriptors of it. */
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

/* A program's real-time policy is not meant for this thread. */
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

    lot_take_time(lot);
    while (!is_over(lot)) {
        lot_welcome_all(lot);
        atomic_store(&lot->control->busy, lot->parked > 0);
        busy = tend(lot, busy ? 0 : patience(lot));
        if (atomic_load(&lot->control->finish)) {
            lot_welcome_all(lot);
            if (atomic_load(&lot->control->finish) == LOT_PROCESS_EXITS)
                hurry_exit(lot);
        }
        lot_settle_doubts(lot);
        lot_look(lot);
        if (lot->parked && config.controlled)
            follow_mode(lot);
        if (lot->has_senders && takes_no_more(lot))
            lot_close_feed(lot); /* what waited in it lingers as long as the rest */
        if (busy && !is_over(lot) && (slots_first(&lot->slots, BY_DOUBT) < 0 || !lot_may_look(lot)))
            nap(lot);
    }
    end_all(lot);
}

/* prctl(2) lets the program give up, thread by thread, what an exec could give it (no_new_privs, the bounding set,
 * secure bits). This thread never executes a program, so it gives that up at once. */
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

/* On x86 the thread pointer points to itself; the value that protects stack frames follows it. */
static void make_tls(char *tls)
{
#if defined(__x86_64__)
    uintptr_t itself = (uintptr_t)tls;
    uintptr_t guard;

    __asm__("mov %%fs:0x28, %0" : "=r"(guard));
    memcpy(tls, &itself, sizeof(itself));
    memcpy(tls + 0x28, &guard, sizeof(guard));
#elif defined(__i386__)
    uintptr_t itself = (uintptr_t)tls;
    uintptr_t guard;

    __asm__("mov %%gs:0x14, %0" : "=r"(guard));
    memcpy(tls, &itself, sizeof(itself));
    memcpy(tls + 0x14, &guard, sizeof(guard));
#else
    (void)tls;
#endif
}

/* Locked memory (mlockall) can't be dropped, only overwritten. */
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
    m->lot.has_senders = true;
    m->lot.period = lot_earliest(config.linger_idle, config.linger_time) / 4 + 1;
    slots_start(&m->lot.slots);
    make_tls(m->tls_above);
    return lot_clone(flags, m->stack + sizeof(m->stack), m->tls_above, tid, body, &m->lot);
}
