/* Talks to the program, and knows when nothing moves any more. */
#define _GNU_SOURCE
#include "referee_game.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* The first trouble is the one that tells. False always. */
__attribute__((format(printf, 2, 3))) bool game_trouble(struct game *g, const char *format, ...)
{
    va_list args;

    if (g->run->trouble[0])
        return false;
    va_start(args, format);
    vsnprintf(g->run->trouble, sizeof g->run->trouble, format, args);
    va_end(args);
    return false;
}

void game_remember(struct game *g, int value)
{
    g->run->story = (g->run->story ^ (uint32_t)value) * 0x01000193;
}

int program_channel(const struct game *g)
{
    return g->stage->control;
}

/* One exchange. What the program reads must be what the peer sent, in its place. */
bool game_ask(struct game *g, int channel, enum op op, uint32_t size, uint32_t at,
              struct reply *reply)
{
    struct command command = {.op = op, .size = size, .at = at};

    if (op == OP_OPEN)
        command.address = wire_address(g->s, true, &g->stage->place, (int)size);
    if (!stage_tell(channel, &command) || !stage_hear(g->stage, channel, reply, NULL))
        return game_trouble(g, "the program doesn't answer");
    if (reply->op == OP_ENDED) {
        g->ended = true;
        return game_trouble(g, "the program has ended with status %#x", (unsigned)reply->result);
    }
    g->run->garbled |= reply->garbled;
    g->scene.ours = reply->sample;
    g->fresh = true;
    if (!g->passed && op != OP_HOLD)
        g->run->fd = reply->fd;
    return true;
}

/* ---- Settling -------------------------------------------------------------------------------- */

static void pause_for(int round)
{
    const struct timespec moment = {.tv_nsec = round < 100 ? 100000 : 1000000};

    if (round < 3)
        sched_yield();
    else
        nanosleep(&moment, NULL);
}

/* Nothing is on its way from this end: what was sent is acknowledged, and what was not sent can't
 * be. fin_lost: but for its FIN. */
static bool is_quiet(const struct sample *s, bool fin_lost)
{
    bool connected = s->state == TCP_ESTABLISHED || s->state == TCP_CLOSE_WAIT ||
                     s->state == TCP_FIN_WAIT1 || s->state == TCP_LAST_ACK ||
                     s->state == TCP_CLOSING;

    if (!connected)
        return true;
    if (s->unacked - s->unsent != (fin_lost && s->unsent == 0))
        return false;
    return s->unsent == 0 || s->window < s->segment;
}

static bool is_same(const struct sample *a, const struct sample *b)
{
    return a->state == b->state && a->unread == b->unread && a->unacked == b->unacked &&
           a->unsent == b->unsent && a->received == b->received && a->window == b->window;
}

/* Brings what is known of the queue up to what has arrived. */
static bool note_arrivals(struct game *g)
{
    struct scene *scene = &g->scene;
    uint32_t received = scene->ours.received;
    uint32_t urgent = g->urgent;

    g->urgent = 0;
    if (g->peer_shut && received == g->peer_sent + 1)
        scene->peer_fin = true;
    received -= scene->peer_fin;
    received -= scene->queue.arrived;
    if (urgent && received == 0 && scene->ours.state == TCP_CLOSE)
        queue_marks(&scene->queue, urgent,
                    (int)urgent > scene->peer.segment ? MARK_ANNOUNCED : MARK_WAITS);
    else if (urgent && received != urgent)
        return game_trouble(g, "urgent data arrived in part: %u of %u bytes", received, urgent);
    else
        queue_arrives(&scene->queue, received, urgent > 0);
    scene->more_waits = scene->ours.state != TCP_CLOSE && scene->queue.arrived < g->peer_sent;
    return true;
}

/* What the program wrote and the peer has not acknowledged, told by what the peer has. */
static void note_acknowledged(struct game *g)
{
    struct scene *scene = &g->scene;
    uint32_t received;

    if (!scene->peer_open)
        return;
    received = scene->peer.received;
    if (scene->our_fin && received == scene->written + 1)
        received--;
    scene->unacked = scene->written - received;
    scene->unacked_known = true;
}

/* Whether what the peer sent has come, as far as the peer knows. */
static bool is_heard(const struct game *g)
{
    const struct scene *scene = &g->scene;

    if (scene->ours.state == TCP_CLOSE)
        return true;
    if (!scene->peer_open)
        return !g->peer_reset && scene->ours.received == g->peer_sent + 1;
    return scene->peer.unacked > 0 || scene->ours.received == g->peer_sent + g->peer_shut;
}

/* Both ends are still. What waits unsent may only seem to: it is looked at several times. */
static bool is_still(const struct game *g, int calm)
{
    const struct scene *scene = &g->scene;
    bool orphan_waits = !scene->peer_open && !g->peer_reset && !is_heard(g);

    if (!is_quiet(&scene->ours, scene->fin_lost) ||
        (scene->peer_open && !is_quiet(&scene->peer, false)))
        return false;
    if (!is_heard(g) && !orphan_waits)
        return false;
    if (scene->ours.unsent > 0 || (scene->peer_open && scene->peer.unsent > 0) || orphan_waits)
        return calm >= 5;
    return true;
}

/* Waits until nothing moves any more. CHANNEL: who has the program's end. */
bool game_settle_with(struct game *g, int channel, bool ready)
{
    struct scene *scene = &g->scene;
    struct sample before = {0}, peer_before = {0};
    struct timespec now, start;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int round = 0, calm = 0;; round++) {
        struct reply reply;

        /* The last answer is good for a first look. */
        if ((round > 0 || ready || !g->fresh) &&
            !game_ask(g, channel, OP_SAMPLE, round == 0 && ready, 0, &reply))
            return false;
        if (scene->peer_open)
            sample_take(g->peer, &scene->peer);
        calm = is_same(&before, &scene->ours) && is_same(&peer_before, &scene->peer) ? calm + 1 : 0;
        if (is_still(g, calm))
            break;
        before = scene->ours;
        peer_before = scene->peer;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - start.tv_sec > 30)
            return game_trouble(g, "it does not settle: ours %d %d/%d, peer %d %d/%d",
                                scene->ours.state, scene->ours.unacked, scene->ours.unsent,
                                scene->peer.state, scene->peer.unacked, scene->peer.unsent);
        pause_for(round);
    }
    g->fresh = false;
    note_acknowledged(g);
    return note_arrivals(g);
}

bool game_settle(struct game *g)
{
    return game_settle_with(g, program_channel(g), false);
}
