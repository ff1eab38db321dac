#include "safeclose.h"

#include "doors/closing.h"
#include "doors/facts.h"
#include "doors/tell.h"
#include "doors/track.h"
#include "ground/boundary.h"
#include "ground/fdtable.h"
#include "ground/real.h"
#include "holders/holders.h"
#include "remedy/handing.h"
#include "remedy/linger.h"
#include "remedy/mode_change.h"
#include "remedy/parcel.h"
#include "remedy/plan.h"
#include "report/summary.h"
#include "settings/config.h"
#include "settings/control.h"
#include "tcp/first_use.h"
#include "tcp/pending.h"

/* For debuggers. */
EXPORT __attribute__((noinline)) void safeclose_reset_ahead(int fd)
{
    __asm__ volatile("" : : "r"(fd) : "memory"); /* or it would be left out, and its call too */
}

/* The stages of a close: facts, verdict, plan, remedy, report. What only a reader wants to know is asked last, and
 * only if the event will be written. */
static void judge_facts(struct event *e, struct close *c, enum probe_kind kind)
{
    uint8_t bytes[CONFIG_PREVIEW_MAX];
    struct verdict last;
    bool written;

    if (!boundary_is_ours() || !facts_ask(e, c, kind) || facts_of_unused(e, c->info))
        return;
    last = e->verdict = verdict_of(&e->probe.facts);
    if (config.port_ranges) {
        e->probe.local = probe_local(e->fd);
        if (!tell_covers(c->info, &e->probe))
            return;
    }
    c->lingers = plan_lingers(e, c);
    written = e->verdict.cause != CAUSE_NONE || config.all_events;
    if (!tell_is_own(c) || (!written && !c->lingers && c->exiting && owner_may_be_others(c)))
        return;
    c->acts = c->lingers || (c->mode >= MODE_DRAIN && e->verdict.cause == CAUSE_UNREAD_DATA &&
                             !e->probe.facts.zero_linger);
    if (written || c->lingers)
        plan_for_owner(e, c);
    if (c->exiting && e->reason == REASON_SHARED)
        return;
    first_use();
    written = written && tell_is_news(e, c) && event_admit();
    if (written)
        tell_look_closer(e, c, bytes);
    plan_act(e, c, written);
    if (e->action == ACTION_DRAINED)
        last = e->verdict;
    if (e->reason == REASON_NONE && c->info->flags & FD_READ_SHUT)
        e->reason = REASON_READ_SHUT;
    if (e->verdict.outcome != OUTCOME_RST && e->action != ACTION_LINGERING)
        e->risk = tell_risk(c, e->probe.facts.state);
    tell_close(e, c, &last, written);
    if (e->verdict.outcome == OUTCOME_RST)
        safeclose_reset_ahead(e->fd);
}

/* Gives the number up. If another thread may be in a call on the connection, this process stays a holder, and the lot
 * finds out when that is over: the process that gives it up last must know. Not if the connection is in an epoll set:
 * the set may be another process's, too, so the connection stays in it, and what the lot holds would go on giving
 * events. */
static void drop(struct close *c, enum via via)
{
    bool stays = mode_may_act() && !real_single_threaded() && !c->exiting;

    if (!(c->info->flags & FD_TCP))
        return;
    c->held = holders_give_up(c->fd, c->info, c->exiting, stays, &c->number);
    if (!stays || c->held != HELD_ELSEWHERE)
        return;
    if (boundary_single_threaded()) {
        c->held = holders_release(c->info);
    } else if (c->mode >= MODE_DRAIN && fdtable_is_plain(c->info) && !config.port_ranges &&
               !holders_in_epoll(c->info)) {
        struct event e = {.fd = c->fd, .via = via, .probe.peer = probe_peer(c->fd)};

        if (owner_is_of_this_connection(c->info, &e.probe))
            linger_park(&e, c->info, PARCEL_THREADS | PARCEL_SHARED | plan_kept_flags(c));
    }
}

/* False if the number stands for no TCP socket. */
static bool judge_close(struct close *c, enum via via, const void *call_site)
{
    enum probe_kind kind = PROBE_TCP;

    if (c->mode == MODE_OFF)
        return c->info->flags & FD_TCP;
    if (facts_surely_clean(c))
        return true;
    /* A connection that was seen from its beginning is known by its peer's address, which is compared before anything
     * is done. */
    if (!(fdtable_is_plain(c->info) && c->info->flags & FD_CREATED) || config.all_events)
        kind = probe_kind(c->fd);
    if (kind != PROBE_TCP && kind != PROBE_MPTCP)
        return false;
    if (track_late(c->fd, c->info))
        drop(c, via);
    struct event e = {.fd = c->fd, .via = via, .call_site = call_site};
    struct close asked = *c;

    asked.probe = &e.probe;
    judge_facts(&e, &asked, kind);
    return true;
}

/*
 * The number that this thread is giving up, plus one, and the depth of its door. What libc or
 * another preloaded library calls within a real call lies deeper: a stream's function may call
 * close, and that syscall. A door that is not deeper is a new close: the call before was left by
 * siglongjmp.
 */
static PER_THREAD volatile int in_door;
static PER_THREAD volatile int door_depth;

static int depth_of(enum via via)
{
    switch (via) {
    case VIA_FCLOSE:
    case VIA_PCLOSE:
    case VIA_FREOPEN:
        return 1;
    case VIA_SYSCALL:
        return 3;
    default:
        return 2;
    }
}

enum mode closing_mode(void)
{
    if (config.controlled)
        mode_change_look(real_clock_ns(CLOCK_MONOTONIC_COARSE));
    return mode_now();
}

static void close_one(int fd, enum via via, const void *call_site, enum mode mode, unsigned first,
                      unsigned last)
{
    struct fd_info info;
    struct close c = {.fd = fd, .info = &info, .mode = mode, .first = first, .last = last};

    if (in_door == fd + 1 && depth_of(via) > door_depth)
        return;
    in_door = fd + 1;
    door_depth = depth_of(via);
    info = fdtable_take(fd);
    if (info.flags & FD_TCP && c.mode != MODE_OFF) {
        pending_ask_again();
        summary_so_far();
    }
    drop(&c, via);
    if (!judge_close(&c, via, call_site))
        in_door = 0;
}

void closing_in(int fd, enum via via, const void *call_site, enum mode mode)
{
    close_one(fd, via, call_site, mode, 0, 0);
}

void closing(int fd, enum via via, const void *call_site)
{
    closing_in(fd, via, call_site, closing_mode());
}

void closing_done(unsigned first, unsigned last, bool closed)
{
    if (boundary_vfork_child())
        return;
    in_door = 0;
    if (closed)
        handing_end(first, last);
    pending_done(first, last, closed);
}

bool closing_concerns(int fd)
{
    enum probe_kind kind;

    if (fdtable_get(fd).flags & FD_TCP)
        return true;
    kind = probe_kind(fd);
    return kind == PROBE_TCP || kind == PROBE_MPTCP;
}

void closing_range(unsigned first, unsigned last, enum via via, const void *call_site)
{
    int fd = first > INT_MAX ? -1 : fdtable_next((int)first - 1, FD_TCP);
    enum mode mode;

    if (fd < 0 || (unsigned)fd > last)
        return;
    mode = closing_mode();
    if (mode >= MODE_DRAIN && !boundary_single_threaded()) {
        linger_prepare(true);
        handing_begin(first, last); /* one for all of them */
    }
    for (; fd >= 0 && (unsigned)fd <= last; fd = fdtable_next(fd, FD_TCP))
        close_one(fd, via, call_site, mode, first, last);
}

/* If another thread is closing it, that thread reports it. */
static void end_with(int fd, enum via via, const void *call_site, enum mode mode)
{
    struct fd_info info = fdtable_take(fd);
    struct close c = {.fd = fd, .info = &info, .mode = mode, .exiting = true};

    if (!(info.flags & FD_TCP))
        return;
    drop(&c, via);
    judge_close(&c, via, call_site);
}

/* Skips what this process inherited and its creator still holds: there may be thousands of those. */
void closing_all(enum via via, const void *call_site, enum mode mode)
{
    uint32_t keeper;

    if (!boundary_is_ours()) /* a clone that runs in our memory: what it ends is not ours */
        return;
    keeper = holders_keeper();
    for (int fd = -1; (fd = fdtable_next_not_of(fd, FD_TCP, keeper)) >= 0;)
        end_with(fd, via, call_site, mode);
}

void closing_early(int fd)
{
    if (probe_kind(fd) == PROBE_TCP)
        ledger_too_early();
}
