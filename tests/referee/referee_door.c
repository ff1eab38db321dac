/* What the kernel, the peer and the log say when a connection is given up. */
#define _GNU_SOURCE
#include "referee_game.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- The kernel's word ----------------------------------------------------------------------- */

/* The reasons that the close itself has; all others are about what came later. */
static bool is_at_close(const char *reason)
{
    static const char *const reasons[] = {"TCP_ABORT_ON_CLOSE", "TCP_STATE",
                                          "TCP_DISCONNECT_WITH_DATA", "TCP_ABORT_ON_LINGER",
                                          "TCP_ABORT_ON_MEMORY"};

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

/* Takes what the trace has of resets from us to NAME: the reason of the first, and, where that is
 * asked, of the first that is not the close's own. True if there was one of the former. */
static bool take_resets(const struct game *g, const char *name, char first[64], char *late)
{
    bool seen = false;
    const char *reason;

    while ((reason = net_trace_reason(g->run->ours, name)) && reason[0]) {
        char *where = late && !is_at_close(reason) ? late : first;

        if (!where[0])
            snprintf(where, 64, "%s", reason);
        seen |= where == first;
    }
    return seen;
}

static void forget_resets(const struct game *g, struct witness *w)
{
    take_resets(g, g->run->peers, w->before, NULL);
    for (int i = 0; i < g->s->clients; i++)
        take_resets(g, g->client_names[i], w->before, NULL);
}

/* Without the tracepoint: what this namespace counted. A lost FIN's answer is a second reset. */
static void tell_by_counters(const struct game *g, struct net_resets before, struct witness *w)
{
    struct net_resets counted = net_resets_since(before);

    w->resets = (int)counted.sent;
    if (!g->s->listening && w->resets > 1)
        w->resets = 1;
    if (counted.on_close)
        strcpy(w->reason, "TCP_ABORT_ON_CLOSE");
    else if (counted.on_linger)
        strcpy(w->reason, "TCP_ABORT_ON_LINGER");
    else if (counted.sent)
        strcpy(w->reason, "TCP_STATE");
}

/* A counter does not tell a reset that was asked for from one that answers what came later, where
 * the peer had more to send: while the program wrote, or while it ended. */
static bool may_be_late(const struct witness *w)
{
    return strcmp(w->reason, "TCP_STATE") == 0;
}

static void tell_by_trace(const struct game *g, struct witness *w)
{
    w->resets = take_resets(g, g->run->peers, w->reason, w->late);
    for (int i = 0; i < g->s->clients; i++)
        w->resets += take_resets(g, g->client_names[i], w->reason, w->late);
}

/* A reset of the peer's own is counted too. */
void game_looks_back(struct game *g, struct witness *w)
{
    if (w->traced)
        take_resets(g, g->run->peers, w->after, w->late);
    else if (g->lingered && net_resets_since(g->at_pass).sent > g->run->peer_reset && !w->late[0])
        strcpy(w->late, "one was counted");
}

/* ---- Giving up ------------------------------------------------------------------------------- */

/* A close that waits for the peer to take what was written. */
bool game_take_output(void *context)
{
    struct game *g = context;
    int error;

    if (!g->scene.peer_open)
        return false;
    net_hear(g->peer);
    return peer_reads(g, UINT32_MAX, &error);
}

bool game_wait_for_end(int pid, const struct helper *helper)
{
    enum { PATIENCE_MS = 60000 };
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    bool ended = false;

    if (end.fd < 0)
        return errno == ESRCH;
    for (int waited = 0, ms = 0; !ended && waited < PATIENCE_MS; waited += ms) {
        ms = helper ? helper->ms : PATIENCE_MS;
        ended = poll(&end, 1, ms) == 1;
        if (!ended && helper && !helper->help(helper->context))
            helper = NULL;
    }
    close(end.fd);
    return ended;
}

static bool leave(struct game *g, int channel, enum op op, bool ends, uint32_t text)
{
    struct command command = {.op = op, .size = text, .at = g->scene.written};
    const struct helper taking = {game_take_output, g, 15}, ending = {game_ends_lingering, g, 2};
    const struct helper *helper = ends && g->run->mode == RUN_LINGER ? &ending
                                  : g->scene.linger == 5             ? &taking
                                                                     : NULL;
    struct reply reply;

    if (!stage_tell(channel, &command))
        return game_trouble(g, "the program doesn't listen");
    if (ends && channel == g->stage->holder_control) {
        if (!game_wait_for_end(g->run->holder_pid, helper == &ending ? helper : NULL))
            return game_trouble(g, "the fork child doesn't end");
        g->holder_ended = true;
        return true;
    }
    if (!stage_hear(g->stage, channel, &reply, helper))
        return game_trouble(g, "giving up takes for ever");
    if (reply.op == OP_ENDED) {
        g->ended = true;
        g->run->status = reply.result;
        if (!ends || reply.result != 0)
            return game_trouble(g, "the program has ended with status %#x", (unsigned)reply.result);
    } else if (reply.result != 0) {
        return game_trouble(g, "giving up gave %d: %s", reply.result, strerror(reply.error));
    }
    return true;
}

bool game_peer_has_fin(const struct game *g, const struct sample *peer)
{
    return peer->received == g->scene.written + 1;
}

/* Whether what a stream writes at its end gets to the peer at once, and so before a reset. */
static bool text_fits(const struct game *g)
{
    const struct sample *ours = &g->scene.ours;

    return !g->scene.our_fin && (ours->state == TCP_ESTABLISHED || ours->state == TCP_CLOSE_WAIT) &&
           g->scene.peer_open && !g->peer_read_shut && ours->unsent == 0 && ours->window > 1000;
}

/* Passes the door, with eyes open. */
bool game_pass(struct game *g, int channel, enum op op, bool ends, struct witness *w)
{
    uint32_t text = op == OP_GIVE_UP && text_fits(g) ? (uint32_t)g->s->text : 0;
    struct net_resets before = {0};
    struct sample peer = {0};

    forget_resets(g, w);
    w->traced = net_trace_reason("-", "-") != NULL;
    if (!w->traced)
        before = net_resets_now();
    g->events_from = w->events_from = stage_log_size(g->stage);
    if (!leave(g, channel, op, ends, text))
        return false;
    w->events_to = stage_log_size(g->stage);
    if (!g->run->held)
        game_awaits_draining(g);
    g->passed = true;
    if (w->traced)
        tell_by_trace(g, w);
    else
        tell_by_counters(g, before, w);
    g->scene.written += text;
    g->run->text += text;
    if (g->scene.peer_open) {
        sample_take(g->peer, &peer);
        w->fin_known = !g->peer_read_shut;
        w->fin = !g->scene.our_fin && game_peer_has_fin(g, &peer);
        w->moved = g->scene.more_waits && peer.unacked != g->scene.peer.unacked;
    }
    w->moved |= !w->traced && may_be_late(w) &&
                (g->scene.more_waits || (g->run->mode == RUN_LINGER && g->s->late));
    g->run->peer_shut = g->peer_shut;
    if (!w->traced)
        g->at_pass = net_resets_now();
    return true;
}

/* The peer reads to the end: what it gets is what the close was worth. */
bool game_reads_to_end(struct game *g, struct witness *w)
{
    struct pollfd waiting = {.fd = g->peer, .events = POLLIN};
    int error = -1;

    if (!g->scene.peer_open || g->peer_read_shut || g->scene.fin_lost)
        return true;
    while (error == -1 && poll(&waiting, 1, 2 * NET_DEADLINE_MS) == 1)
        if (!peer_reads(g, UINT32_MAX, &error))
            return false;
    g->run->end_known = true;
    if (error == 0)
        error = g->peer_error;
    g->run->end_error = error == -1 ? ETIMEDOUT : error;
    g->run->end_bytes = g->peer_read;
    if (error == 0 && !g->scene.our_fin && w->resets == 0)
        w->fin = true;
    /* Our FIN waited behind output, and late data was faster. */
    if (error > 0 && w->resets == 0 && (g->scene.more_waits || g->run->late))
        w->fin_known = false;
    return true;
}
