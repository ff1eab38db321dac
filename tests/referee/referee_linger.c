/*
 * A connection that lingers: what its peer does after the close, and in what it must end.
 *
 * In the other modes what comes later is answered with a reset, and that is no part of the close.
 * Here somebody still listens, so the peer goes on: it sends, reads to the end, and ends itself.
 * Nobody sees the lot from outside. When the program has passed its door the connection is there,
 * whenever it gets to it, and until the event of its end.
 *
 * What the program opened lingers only for its output: when the peer has read that, and then sends, the
 * end comes before the peer's own. And a program that ends waits for no more than that, whoever opened
 * it. There the peer goes on before the answer, and not before the close, or its late data would
 * not be late: it sends and ends, or, one that is patient, only reads. What shows the close is its event,
 * which is written when the connection is parked, or its FIN. What the peer sends on then may find
 * the lot, or nobody, and be answered with a reset; the output it must get all the same.
 */
#define _GNU_SOURCE
#include "referee_game.h"

#include <string.h>
#include <unistd.h>

bool scene_is_intended(const struct scene *scene)
{
    return scene->linger == 0 || (scene->linger2 && scene->ours.state == TCP_FIN_WAIT2);
}

uint32_t scene_output(const struct scene *scene)
{
    const struct sample *ours = &scene->ours;

    return (uint32_t)ours->unacked - (ours->unacked && ours->state == TCP_FIN_WAIT1); /* our FIN */
}

/* A timer of the kernel's may yet send as much as the window has room for. */
static bool may_be_delivered(const struct scene *scene)
{
    return scene->ours.unsent <= scene->ours.window;
}

enum lingers scene_lingers(const struct run *run, const struct scene *scene, bool opened)
{
    int state = scene->ours.state;
    bool may_send = state == TCP_ESTABLISHED || state == TCP_SYN_RECV || state == TCP_FIN_WAIT1 ||
                    state == TCP_FIN_WAIT2;

    if (!may_send || scene_is_intended(scene) || scene->read_shut)
        return LINGERS_NOT;
    if (!opened)
        return LINGERS_SURELY;
    if (scene_output(scene))
        return may_be_delivered(scene) ? LINGERS_PERHAPS : LINGERS_SURELY;
    /* What a stream writes at its end may be acknowledged at once. */
    return run->scenario.text && scene == &run->scene ? LINGERS_PERHAPS : LINGERS_NOT;
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

bool may_seem_alive(const struct scenario *s)
{
    return s->setting == SETTING_NO_PROC &&
           (s->holder == HOLD_FORK_ENDED || s->holder == HOLD_FORK_KILLED ||
            s->holder == HOLD_FORK);
}

bool is_in_call(const struct scenario *s)
{
    return s->holder == HOLD_READER || s->holder == HOLD_WRITER || s->holder == HOLD_PEEKER ||
           s->holder == HOLD_POLL;
}

bool has_threads(const struct scenario *s)
{
    return is_in_call(s) || s->holder == HOLD_BUSY || s->holder == HOLD_EPOLL ||
           s->holder == HOLD_SELECT || s->holder == HOLD_OTHER || s->holder == HOLD_SPAWNER;
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

static enum lingers lingers(const struct game *g)
{
    const struct run *run = g->run;

    return scene_lingers(run, run->holder_gave_up ? &run->holder_scene : &run->scene,
                         g->s->we_connect);
}

/* Where it is not told, it is as it should be, unless the library may see it otherwise. */
static bool is_parked(const struct game *g)
{
    struct said said = last_close(g);
    bool exiting = !g->run->holder_gave_up && door_ends(g->s);

    if (strcmp(said.action, "lingering") == 0)
        return !g->scene.read_shut;
    return lingers(g) == LINGERS_SURELY && !said.note[0] && !may_be_unknown(g->s) &&
           !(exiting && is_in_call(g->s)) && g->s->holder != HOLD_BUSY &&
           g->s->holder != HOLD_SPAWNER && !is_blind(g->s) && !may_seem_alive(g->s);
}

/* Shut down for reading through another number, the library may not know. */
static bool may_be_parked(const struct game *g)
{
    return lingers(g) != LINGERS_NOT || g->scene.read_shut;
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

/* All that was sent has come, or was answered with a reset. */
static bool is_heard_or_reset(void *context)
{
    struct game *g = context;

    return net_unacked(g->peer) == 0 || net_state(g->peer) == TCP_CLOSE;
}

/* Not before all that it sent has come: a reset would take it along. */
static bool send_reset(struct game *g)
{
    if (g->peer_shut || !is_parked(g))
        return true;
    if (!net_wait_until(is_heard_or_reset, g))
        return game_trouble(g, "what the peer sent does not arrive");
    g->run->peer_reset = net_state(g->peer) != TCP_CLOSE;
    net_zero_linger(g->peer);
    close(g->peer);
    g->peer = -1;
    g->scene.peer_open = false;
    return true;
}

/* Whoever has the lot is there. */
static bool lot_lives(const struct game *g)
{
    return !g->ended || (g->run->holder_gave_up && !g->holder_ended);
}

/* Where the lot is going to tell of the connection's end. */
static bool is_told_of(const struct game *g)
{
    struct said said = last_close(g);

    if (said.found)
        return strcmp(said.action, "lingering") == 0;
    return is_parked(g) && g->peer_sent > g->scene.queue.at;
}

static bool is_end_told(void *context)
{
    static char log[sizeof((struct run *)0)->log];
    const struct game *g = context;
    struct said end;
    long size = stage_log_read(g->stage, log, sizeof log), at = 0;

    return said_next_end(log, &at, size, &end);
}

/* If it doesn't come, the judge will say so. */
static void await_end(struct game *g)
{
    if (lot_lives(g) && is_told_of(g))
        net_wait_until(is_end_told, g);
}

/* What the program opened is over when the peer has all output: the lot sees it by what comes then. */
static void await_delivered(struct game *g)
{
    if (!g->s->we_connect || !g->s->late || g->peer_shut || !lot_lives(g) || !is_told_of(g) ||
        !g->run->end_known || g->run->end_error)
        return;
    g->run->owed_nothing = true;
    await_end(g);
}

static bool leaves(struct game *g)
{
    const struct command end = {.op = OP_END};
    const struct helper ending = {game_ends_lingering, g, 2};
    struct reply reply = {0};

    if (!g->s->leaves || g->ended)
        return true;
    g->closed = g->run->left = true;
    g->closed_at = net_now_ms();
    if (!stage_tell(g->stage->control, &end) ||
        !stage_hear(g->stage, g->stage->control, &reply, &ending) || reply.op != OP_ENDED)
        return game_trouble(g, "the program doesn't end");
    g->ended = true;
    g->run->peer_shut = g->peer_shut;
    return true;
}

static bool goes_on(struct game *g, struct witness *w)
{
    if (!g->late_sent)
        send_late(g);
    if (g->s->late_first && !g->s->late_resets)
        send_fin(g);
    if (!game_reads_to_end(g, w))
        return false;
    send_late(g);
    await_delivered(g);
    if (g->s->late_resets && !send_reset(g))
        return false;
    if (g->scene.peer_open)
        send_fin(g);
    return true;
}

bool game_goes_to_end(struct game *g, struct witness *w)
{
    if (g->run->mode != RUN_LINGER)
        return game_reads_to_end(g, w);
    g->lingered = true;
    if (!leaves(g) || (g->scene.peer_open && !goes_on(g, w)))
        return false;
    await_end(g);
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

/* Only reads; and ends where the program does not although it should. */
static void be_patient(struct game *g)
{
    enum { PATIENCE_MS = 5000 };
    int error;

    peer_reads(g, UINT32_MAX, &error);
    if (g->peer_read < g->scene.written || net_now_ms() - g->closed_at < PATIENCE_MS)
        return;
    g->run->waited = true;
    send_fin(g);
}

bool game_ends_lingering(void *context)
{
    enum { LONG = 15 };
    struct game *g = context;

    if (!g->scene.peer_open || g->late_sent || !may_be_parked(g) ||
        (g->run->held && !g->run->holder_gave_up))
        return false;
    g->help++;
    if (!g->closed && (has_closed(g) || (is_silent(g) && g->help >= LONG))) {
        g->closed = true;
        g->closed_at = net_now_ms();
    }
    if (g->closed && g->s->late_first) {
        if (g->run->left || has_closed(g))
            send_late(g);
        g->late_sent = true;
        send_fin(g);
    } else if (g->closed) {
        be_patient(g);
    } else if (g->scene.linger == 5 && g->help >= LONG) {
        game_take_output(g);
    }
    return true;
}
