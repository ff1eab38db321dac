#include "safeclose.h"

#include "doors/facts.h"
#include "doors/tell.h"
#include "ground/boundary.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "settings/config.h"

/* Memory in the receive queue need not be unread data: it may be the peer's FIN, or out-of-order data. */
static bool nothing_unread(struct close *c, const struct probe_memory *memory)
{
    struct probe p;

    if (memory->received == 0)
        return true;
    memset(&p, 0, sizeof(p));
    probe_unread(c->fd, memory, &p);
    c->unread = p.unread;
    return !p.facts.unread;
}

/* Another holder may have asked for a reset. Not foreseen: a program that is not preloaded sets a negative
 * TCP_LINGER2. */
static bool others_want_reset(int fd)
{
    bool zero;

    return !probe_zero_linger(fd, family_knows_linger2() ? 0 : STATE_ESTABLISHED, &zero) || zero;
}

/*
 * Most closes end here: nothing unread and no reset asked for, as one call can tell of a connection
 * that was seen from its beginning and never shared. Two more calls where the peer's FIN is still
 * queued, two where output is not acknowledged, one or two where others hold or held the
 * connection, or it came from elsewhere. (Whether it is TCP yet is not asked then: but for its
 * count in the summary nothing depends on it.) True, and counted, where no more needs to be asked.
 */
bool facts_surely_clean(struct close *c)
{
    const struct fd_info *info = c->info;
    struct probe_memory memory;

    if (!fdtable_is_plain(info) || config.all_events || config.port_ranges ||
        c->mode == MODE_LINGER)
        return false;
    if (!probe_memory(c->fd, &memory))
        return false;
    c->no_output = memory.queued == 0;
    if (!nothing_unread(c, &memory) || (holders_were_others(info) && others_want_reset(c->fd)))
        return false;
    if (c->exiting && (owner_may_be_others(c) || !atomic_load(&process->greeted)))
        return true; /* was left here by a fork or an exec, and never used: no close of this
                        process's */
    tell_clean(c);
    return true;
}

/* Never was a connection, nor waiting for one. */
bool facts_of_unused(const struct event *e, const struct fd_info *info)
{
    return e->probe.facts.state == STATE_CLOSE && !(info->flags & (FD_PEER | FD_LISTENING));
}

/* If bytes are unread and there is a peer, the verdict is the same in any state (tcp/verdict.c). Usually the state is
 * ESTABLISHED, or CLOSE_WAIT, where all is the same. So the kernel is asked for it only if an event is written, or if
 * it matters what else may come. */
static bool guess_state(struct event *e, struct close *c, bool ask_linger)
{
    if (!c->unread || ask_linger || c->info->flags & FD_HALF_CLOSED)
        return false;
    e->probe.peer = probe_peer(e->fd);
    c->unasked = e->probe.peer.known;
    e->probe.unread = c->unread;
    e->probe.facts.unread = true;
    e->probe.facts.state = STATE_ESTABLISHED;
    return c->unasked;
}

/* Asks for the facts, and for the peer. If there is no peer any more, the connection was reset meanwhile, and the
 * facts are asked for again. */
bool facts_ask(struct event *e, struct close *c, enum probe_kind kind)
{
    bool ask_linger = !fdtable_is_plain(c->info) || holders_were_others(c->info);

    if (guess_state(e, c, ask_linger))
        return true;
    if (!probe_facts(e->fd, kind, ask_linger, &e->probe))
        return false;
    e->probe.peer = probe_peer(e->fd);
    if (!e->probe.peer.known && e->probe.facts.state != STATE_LISTEN)
        return probe_facts(e->fd, kind, ask_linger, &e->probe);
    return true;
}
