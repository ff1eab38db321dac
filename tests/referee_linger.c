/*
 * A connection that lingers: what its peer does after the close, and in what it must end.
 *
 * In the other modes what comes later is answered with a reset, and that is no part of the close.
 * Here somebody still listens, so the peer goes on: it sends, reads to the end, and ends itself.
 * Nobody sees the lot from outside. When the program has passed its door the connection is there,
 * whenever it gets to it. A program that ends waits for it: then the peer has to go on before the
 * answer, and not before the close, or its late data would not be late. What shows the close is its
 * event, which is written when the connection is parked, or its FIN.
 */
#define _GNU_SOURCE
#include "referee_game.h"

#include <string.h>
#include <unistd.h>

bool scene_is_intended(const struct scene *scene)
{
    return scene->linger == 0 || (scene->linger2 && scene->ours.state == TCP_FIN_WAIT2);
}

bool scene_lingers(const struct scene *scene)
{
    int state = scene->ours.state;

    return (state == TCP_ESTABLISHED || state == TCP_SYN_RECV || state == TCP_FIN_WAIT1 ||
            state == TCP_FIN_WAIT2) &&
           !scene_is_intended(scene) && !scene->read_shut;
}

bool may_be_unknown(const struct scenario *s)
{
    switch (s->holder) {
    case HOLD_FLIGHT:
    case HOLD_DELIVERED:
    case HOLD_FORK:
    case HOLD_FORK_KILLED:
    case HOLD_EXEC:
        return true;
    default:
        return false;
    }
}

bool is_in_call(const struct scenario *s)
{
    return s->holder == HOLD_READER || s->holder == HOLD_WRITER || s->holder == HOLD_PEEKER ||
           s->holder == HOLD_POLL;
}

bool has_threads(const struct scenario *s)
{
    return is_in_call(s) || s->holder == HOLD_BUSY || s->holder == HOLD_EPOLL ||
           s->holder == HOLD_SELECT || s->holder == HOLD_OTHER;
}

bool is_blind(const struct scenario *s)
{
    return has_threads(s) && (s->setting == SETTING_NO_PROC || s->drop != DROP_NOTHING);
}

/* ---- Playing --------------------------------------------------------------------------------- */

/* The last event about the connection since it began to be given up. */
static struct said last_close(const struct game *g)
{
    static char log[sizeof g->run->log];
    long size = stage_log_read(g->stage, log, sizeof log), at = g->events_from;
    struct said last = {0}, said;

    while (said_next(log, &at, size, &said))
        if (strcmp(said.state, "LISTEN") != 0)
            last = said;
    return last;
}

/* What the lot drains it closes next, and tells. */
void game_awaits_draining(const struct game *g)
{
    enum { PATIENCE_MS = 20000 };
    static char log[sizeof g->run->log];
    struct said end;

    if (!has_threads(g->s) || strcmp(last_close(g).action, "draining") != 0)
        return;
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        long size = stage_log_read(g->stage, log, sizeof log), at = 0;

        if (said_next_end(log, &at, size, &end))
            return;
        usleep(1000);
    }
}

/* Where it is not told, it is as it should be, unless the library may see it otherwise. */
static bool is_parked(const struct game *g)
{
    struct said said = last_close(g);
    bool exiting = !g->run->holder_gave_up && door_ends(g->s);

    if (strcmp(said.action, "lingering") == 0)
        return !g->scene.read_shut;
    return scene_lingers(&g->scene) && !said.note[0] && !may_be_unknown(g->s) &&
           !(exiting && is_in_call(g->s)) && g->s->holder != HOLD_BUSY && !is_blind(g->s);
}

/* Shut down for reading through another number, the library may not know. */
static bool may_be_parked(const struct game *g)
{
    return scene_lingers(&g->scene) || g->scene.read_shut;
}

/* At most twice: while what the program wrote may still be on its way, and when all is read. */
static void send_late(struct game *g)
{
    uint32_t before = g->peer_sent;

    if (!g->peer_shut && g->s->late && is_parked(g))
        peer_sends(g, g->s->late, 0);
    g->run->late += g->peer_sent - before;
    g->late_sent = true;
}

static void send_fin(struct game *g)
{
    if (!g->peer_shut)
        shutdown(g->peer, SHUT_WR);
    g->peer_shut = true;
}

/* Not before all that it sent has come: a reset would take it along. */
static bool send_reset(struct game *g)
{
    if (g->peer_shut || !is_parked(g))
        return true;
    if (!net_wait_for(net_unacked, g->peer, 0))
        return game_trouble(g, "what the peer sent does not arrive");
    net_zero_linger(g->peer);
    close(g->peer);
    g->peer = -1;
    g->scene.peer_open = false;
    g->run->peer_reset = true;
    return true;
}

bool game_goes_to_end(struct game *g, struct witness *w)
{
    if (g->run->mode != RUN_LINGER)
        return game_reads_to_end(g, w);
    g->lingered = true;
    if (!g->scene.peer_open)
        return true;
    if (!g->late_sent)
        send_late(g);
    if (g->s->late_first && !g->s->late_resets)
        send_fin(g);
    if (!game_reads_to_end(g, w))
        return false;
    send_late(g);
    if (g->s->late_resets && !send_reset(g))
        return false;
    if (g->scene.peer_open)
        send_fin(g);
    return true;
}

/* Nothing is going to be told, nor to be seen where our FIN was sent before. */
static bool is_silent(const struct game *g)
{
    return g->s->resets_only && !scene_is_intended(&g->scene) &&
           g->scene.queue.at == g->scene.queue.arrived;
}

static bool has_closed(const struct game *g)
{
    struct sample peer;

    if (strcmp(last_close(g).action, "lingering") == 0)
        return true;
    if (!is_silent(g)) /* asking the peer's end may make it acknowledge, and wake a writer */
        return false;
    sample_take(g->peer, &peer);
    return !g->scene.our_fin && game_peer_has_fin(g, &peer);
}

bool game_ends_lingering(void *context)
{
    enum { LONG = 15 };
    struct game *g = context;

    if (!g->scene.peer_open || g->late_sent || !may_be_parked(g) ||
        (g->run->held && !g->run->holder_gave_up))
        return false;
    g->help++;
    if (has_closed(g))
        send_late(g);
    else if (is_silent(g) && g->help >= LONG)
        g->late_sent = true;
    if (g->late_sent)
        send_fin(g);
    else if (g->scene.linger == 5 && g->help >= LONG)
        game_take_output(g);
    return true;
}
