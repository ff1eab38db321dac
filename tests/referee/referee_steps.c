/* The steps of a scenario: the peer's are made here, the program's are asked for; what is in the
 * program's receive queue is kept account of. */
#define _GNU_SOURCE
#include "referee_game.h"

#include <errno.h>
#include <unistd.h>

/* Reads at most SIZE bytes; the end of it in *error, -1 if there is more to come. */
bool peer_reads(struct game *g, uint32_t size, int *error)
{
    bool garbled = false;
    int n = 1;

    *error = -1;
    while (size > 0 && n > 0) {
        n = stream_recv(g->peer, g->peer_read, size, 0, &garbled);
        if (n > 0) {
            g->peer_read += (uint32_t)n;
            size -= (uint32_t)n;
        } else {
            *error = n == 0 ? 0 : errno == EAGAIN ? -1 : errno;
        }
    }
    if (*error > 0)
        g->peer_error = *error;
    return garbled ? game_trouble(g, "what the peer read is garbled") : true;
}

bool peer_sends(struct game *g, uint32_t size, int flags)
{
    int n = stream_send(g->peer, g->peer_sent, size, flags);

    if (n > 0)
        g->peer_sent += (uint32_t)n;
    else if (n < 0 && errno == ECONNRESET)
        g->peer_error = errno;
    if (flags & MSG_OOB)
        g->urgent = n > 0 ? (uint32_t)n : 0;
    return true;
}

static void peer_leaves(struct game *g, bool reset)
{
    struct net_resets before = net_resets_now();

    if (reset)
        net_zero_linger(g->peer);
    else
        g->peer_shut = true;
    close(g->peer);
    /* Without being asked for, too: of what it has not read. */
    g->peer_reset = reset || net_resets_since(before).sent > 0;
    g->peer = -1;
    g->scene.peer_open = false;
    /* What an orphan hears can't be asked for. */
    g->scene.unacked_known &= reset;
}

static bool peer_step(struct game *g, struct step step)
{
    int error;

    switch (step.op) {
    case OP_PEER_SENDS:
        return peer_sends(g, step.size, 0);
    case OP_PEER_URGENT:
        return peer_sends(g, step.size, MSG_OOB);
    case OP_PEER_READS:
        return peer_reads(g, step.size, &error);
    case OP_PEER_SHUTS:
        if (shutdown(g->peer, (int)step.size) == 0) {
            g->peer_shut = true;
            g->peer_read_shut |= step.size != SHUT_WR;
        }
        return true;
    default:
        peer_leaves(g, step.op == OP_PEER_RESETS);
        return true;
    }
}

/* The program's reads, one recv at a time, each foretold. */
static bool program_reads(struct game *g, int channel, enum op op, uint32_t size, int *got)
{
    struct scene *scene = &g->scene;
    struct queue foretold = scene->queue;
    uint32_t copies = queue_read(&foretold, size, op == OP_PEEKS);
    struct reply reply;

    if (!game_ask(g, channel, op, size, queue_starts(&scene->queue), &reply))
        return false;
    game_remember(g, reply.result);
    game_remember(g, reply.result < 0 ? reply.error : 0);
    *got = reply.result > 0 ? reply.result : 0;
    if ((uint32_t)*got < copies && op == OP_HOLDER_READS) {
        scene->queue.at = scene->queue.arrived; /* somebody has stolen it: the judge's business */
        return true;
    }
    if ((uint32_t)*got < copies || (g->s->urgent && (uint32_t)*got != copies))
        return game_trouble(g, "recv of %u gave %d, not the %u foretold", size, reply.result,
                            copies);
    if (op == OP_PEEKS)
        return true;
    /* What came in while it was read, the window being open again. */
    if ((uint32_t)*got > copies) {
        queue_arrives(&foretold, (uint32_t)*got - copies, false);
        foretold.at += (uint32_t)*got - copies;
    }
    scene->queue = foretold;
    return true;
}

bool program_reads_all(struct game *g, int channel, enum op op, uint32_t *all)
{
    int got;

    do {
        do {
            if (!program_reads(g, channel, op, 1 << 20, &got))
                return false;
            *all += (uint32_t)got;
        } while (got > 0);
        if (!game_settle_with(g, channel, false))
            return false;
    } while (g->scene.queue.at < g->scene.queue.arrived);
    return true;
}

static bool program_urgent(struct game *g, enum op op)
{
    struct queue *q = &g->scene.queue;
    struct reply reply;

    if (!game_ask(g, program_channel(g), op, 1, q->mark_at, &reply))
        return false;
    game_remember(g, reply.result);
    if ((reply.result == 1) != (q->mark == MARK_WAITS && !q->in_line) &&
        g->scene.ours.state != TCP_CLOSE)
        return game_trouble(g, "recv with MSG_OOB gave %d", reply.result);
    if (reply.result == 1 && op == OP_TAKES_URGENT)
        q->mark = MARK_TAKEN;
    return true;
}

static bool program_shuts(struct game *g, struct step step)
{
    enum op op = step.op;
    uint32_t how = op == OP_SHUTS ? step.size : SHUT_WR;
    struct reply reply;

    /* Behind unsent data the FIN could only be lost together with data. */
    if (op == OP_SHUTS_LOST && g->scene.peer_open && g->scene.ours.unsent == 0)
        g->scene.fin_lost = net_drop(g->peer, NET_LOSE_FIN) == 0;
    if (!game_ask(g, program_channel(g), op, how, 0, &reply))
        return false;
    game_remember(g, reply.result);
    if (reply.result == 0) {
        g->scene.our_fin |= how != SHUT_RD;
        g->scene.read_shut |= how != SHUT_WR;
    } else {
        g->scene.fin_lost = false;
    }
    return true;
}

static bool program_step(struct game *g, struct step step)
{
    struct scene *scene = &g->scene;
    struct reply reply;
    uint32_t all = 0;
    int got;

    switch (step.op) {
    case OP_READS:
    case OP_PEEKS:
        return program_reads(g, program_channel(g), step.op, step.size, &got);
    case OP_READS_ALL:
        return program_reads_all(g, program_channel(g), OP_READS, &all);
    case OP_TAKES_URGENT:
    case OP_PEEKS_URGENT:
        return program_urgent(g, step.op);
    case OP_SHUTS:
    case OP_SHUTS_LOST:
        return program_shuts(g, step);
    default:
        break;
    }
    if (!game_ask(g, program_channel(g), step.op, step.size, scene->written, &reply))
        return false;
    game_remember(g, reply.result);
    if (step.op == OP_WRITES && reply.result > 0)
        scene->written += (uint32_t)reply.result;
    if (step.op == OP_WRITES && reply.result > 0 && !scene->peer_open)
        scene->unacked_known = false;
    if (step.op == OP_INLINE && reply.result == 0)
        scene->queue.in_line = step.size;
    if (step.op == OP_LINGERS && reply.result == 0)
        scene->linger = (int)step.size;
    if (step.op == OP_LINGER2 && reply.result == 0)
        scene->linger2 = true;
    return true;
}

bool game_plays_steps(struct game *g)
{
    for (int i = 0; i < g->s->count; i++) {
        struct step step = g->s->steps[i];
        bool of_peer = step.op <= OP_PEER_CLOSES;

        if (of_peer && !g->scene.peer_open) /* gone, because the program's data made it reset */
            continue;
        g->fresh = false;
        if (!(of_peer ? peer_step(g, step) : program_step(g, step)) || !game_settle(g))
            return false;
    }
    return true;
}
