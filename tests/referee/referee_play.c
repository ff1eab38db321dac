/* A run from its beginning to its end: see referee.h. */
#define _GNU_SOURCE
#include "referee_game.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- Opening --------------------------------------------------------------------------------- */

static bool open_by_connecting(struct game *g, struct reply *reply)
{
    struct sockaddr_in6 address = wire_address(g->s, false, &g->stage->place, 0);
    int listener = wire_listen(g->s, false, &address);

    if (listener < 0)
        return game_trouble(g, "unable to listen: %s", strerror(errno));
    if (!game_ask(g, program_channel(g), OP_OPEN, (uint32_t)net_port(listener), 0, reply)) {
        close(listener);
        return false;
    }
    g->peer = net_accept(listener);
    close(listener);
    return g->peer >= 0 ? true : game_trouble(g, "unable to accept: %s", strerror(errno));
}

static int connect_client(struct game *g, int port)
{
    struct sockaddr_in6 address = wire_address(g->s, false, &g->stage->place, port);
    int fd = wire_socket(g->s, false);

    if (fd >= 0 && wire_connect(fd, &address) == 0)
        return fd;
    game_trouble(g, "unable to connect: %s", strerror(errno));
    return -1;
}

static bool open_connection(struct game *g)
{
    struct reply reply;

    if (g->s->we_connect) {
        if (!open_by_connecting(g, &reply))
            return false;
    } else {
        if (!game_ask(g, program_channel(g), OP_OPEN, 0, 0, &reply))
            return false;
        g->peer = connect_client(g, reply.result);
        if (g->peer < 0 || !game_ask(g, program_channel(g), OP_ACCEPT, 0, 0, &reply))
            return false;
    }
    g->scene.peer_open = true;
    g->run->pid = reply.pid;
    if (net_name(g->peer, false, g->run->peers) != 0 || net_name(g->peer, true, g->run->ours) != 0)
        return game_trouble(g, "a connection has no name: %s", strerror(errno));
    return true;
}

/* ---- Other holders --------------------------------------------------------------------------- */

/* By which way the holder can be spoken to; -1 if there is nothing to say. */
static int channel_of_holder(const struct game *g)
{
    switch (g->s->holder) {
    case HOLD_FORK:
    case HOLD_EXEC:
        return g->stage->holder_control;
    case HOLD_DUP:
    case HOLD_DELIVERED:
        return door_takes_both(g->s) ? -1 : g->stage->control;
    default:
        return -1;
    }
}

/* Whether the reference is still there when the program has passed the door. */
static bool outlasts(const struct scenario *s)
{
    switch (s->holder) {
    case HOLD_FORK:
    case HOLD_EXEC:
        return true;
    case HOLD_DUP:
    case HOLD_DELIVERED:
    case HOLD_FLIGHT:
        return !door_takes_both(s);
    case HOLD_READER:
    case HOLD_WRITER:
    case HOLD_PEEKER:
    case HOLD_POLL:
        return !door_ends(s);
    default:
        return false;
    }
}

static bool hold(struct game *g)
{
    struct reply reply, there;
    uint32_t at = g->s->holder == HOLD_WRITER ? g->scene.written : g->scene.queue.at;

    if (g->s->holder == HOLD_NOBODY)
        return true;
    if (!game_ask(g, program_channel(g), OP_HOLD, 0, at, &reply))
        return false;
    if (reply.result != 0)
        return game_trouble(g, "the program is unable to do: %d holds", g->s->holder);
    if (reply.number && !net_wait_thread_in(reply.tid, reply.number))
        return game_trouble(g, "a thread doesn't come to wait in call %ld", reply.number);
    g->fresh = false; /* its answer came before that thread wrote */
    g->run->held = outlasts(g->s);
    /* It is there when it answers. */
    if (g->s->holder == HOLD_EXEC &&
        !game_ask(g, g->stage->holder_control, OP_SAMPLE, 0, 0, &there))
        return false;
    g->run->holder_fd = is_process(g->s->holder) ? g->run->fd : reply.fd;
    g->run->holder_pid = reply.pid;
    return true;
}

/* ---- What the holder finds ------------------------------------------------------------------- */

static bool thread_goes_on(struct game *g)
{
    struct reply reply;
    struct command command = {.op = OP_HOLDER_READS};
    const struct helper taking = {game_take_output, g, 15};

    if (g->s->holder == HOLD_READER) {
        g->run->holder_expected = 5;
        peer_sends(g, 5, 0);
    } else {
        g->run->holder_expected = 1 << 20;
    }
    if (!stage_tell(g->stage->control, &command) ||
        !stage_hear(g->stage, g->stage->control, &reply, &taking))
        return game_trouble(g, "the thread doesn't come back");
    if (reply.op == OP_ENDED) {
        g->ended = true;
        return game_trouble(g, "the program has ended with status %#x", (unsigned)reply.result);
    }
    g->run->garbled |= reply.garbled;
    g->run->holder_got = reply.result;
    return true;
}

/* The other descriptor: everything unread must still be there for it, and then it gives up too. */
static bool holder_goes_on(struct game *g, int channel)
{
    bool ends = is_process(g->s->holder) && g->s->holder_exits;
    uint32_t got = 0;

    if (g->s->holder_reads) {
        g->run->holder_expected = g->scene.more_waits ? (int)(g->peer_sent - g->scene.queue.at)
                                                      : (int)queue_discards(&g->scene.queue);
        if (!program_reads_all(g, channel, OP_HOLDER_READS, &got))
            return false;
        g->run->holder_got = (int)got;
        /* Where it was shut down for reading, the window is not opened again for what waits. */
        if (g->scene.more_waits && g->scene.read_shut)
            g->run->holder_expected = (int)got;
    }
    if (!game_settle_with(g, channel, false))
        return false;
    g->run->holder_scene = g->scene;
    g->run->holder_gave_up = true;
    return game_pass(g, channel, OP_HOLDER_GIVES_UP, ends, &g->run->holder_witness) &&
           game_goes_to_end(g, &g->run->holder_witness);
}

static bool go_on(struct game *g)
{
    struct run *run = g->run;
    int channel = channel_of_holder(g);

    run->holder_got = -1;
    if (!run->held)
        return game_goes_to_end(g, &run->witness);
    if (run->witness.resets) /* it was not held after all, and the judge will say so */
        return true;
    if (g->s->holder == HOLD_READER || g->s->holder == HOLD_WRITER)
        return thread_goes_on(g);
    return channel < 0 ? true : holder_goes_on(g, channel);
}

/* ---- A listener ------------------------------------------------------------------------------ */

static bool open_clients(struct game *g)
{
    struct linger reset = {1, 0};
    struct reply reply;

    if (!game_ask(g, program_channel(g), OP_OPEN, 0, 0, &reply))
        return false;
    g->run->pid = reply.pid;
    for (int i = 0; i < g->s->clients; i++) {
        int fd = g->clients[i] = connect_client(g, reply.result);

        if (fd < 0 || net_name(fd, false, g->client_names[i]) != 0 ||
            net_name(fd, true, g->run->ours) != 0)
            return game_trouble(g, "a client has no name");
    }
    do { /* the last of a handshake may still be on its way */
        if (!game_ask(g, program_channel(g), OP_SAMPLE, 0, 0, &reply))
            return false;
    } while (reply.sample.backlog < g->s->clients);
    for (int i = 0; i < g->s->clients; i++) {
        int fd = g->clients[i];

        g->run->alive += g->s->client[i] != CLIENT_RESETS;
        if (g->s->client[i] == CLIENT_SENDS && send(fd, "hello", 5, MSG_NOSIGNAL) != 5)
            return game_trouble(g, "a client is unable to send");
        if (g->s->client[i] == CLIENT_ENDS)
            shutdown(fd, SHUT_WR);
        if (g->s->client[i] == CLIENT_RESETS) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(fd);
            g->clients[i] = -1;
        }
    }
    return true;
}

static bool clients_are_heard(struct game *g)
{
    for (int i = 0; i < g->s->clients; i++)
        if (g->s->client[i] == CLIENT_SENDS && !net_wait_for(net_unacked, g->clients[i], 0))
            return game_trouble(g, "what a client sent does not arrive");
    return true;
}

/* A reset's way to a client that is still there. */
static bool clients_know(struct game *g)
{
    for (int i = 0; i < g->s->clients && g->run->witness.resets; i++)
        if (g->clients[i] >= 0 && !net_wait_for(net_state, g->clients[i], TCP_CLOSE))
            return game_trouble(g, "a client was not reset");
    return true;
}

static bool play_listener(struct game *g)
{
    struct reply reply;

    if (!open_clients(g) || !clients_are_heard(g) ||
        !game_ask(g, program_channel(g), OP_SAMPLE, 1, 0, &reply))
        return false;
    if (!hold(g) || !game_ask(g, program_channel(g), OP_SAMPLE, 0, 0, &reply))
        return false;
    g->run->scene = g->scene;
    return game_pass(g, program_channel(g), OP_GIVE_UP, door_ends(g->s), &g->run->witness) &&
           clients_know(g);
}

/* ---- A run ----------------------------------------------------------------------------------- */

static bool play_connection(struct game *g)
{
    if (!open_connection(g) || !game_settle(g) || (g->s->early && !hold(g)) ||
        !game_plays_steps(g) || !game_settle_with(g, program_channel(g), true) ||
        (!g->s->early && !hold(g)) || !game_settle(g))
        return false;
    g->run->scene = g->scene;
    return game_pass(g, program_channel(g), OP_GIVE_UP, door_ends(g->s), &g->run->witness) &&
           go_on(g);
}

static void reset_and_close(int fd)
{
    if (fd < 0)
        return;
    net_hear(fd);
    net_zero_linger(fd);
    close(fd);
}

/* Nothing of this scenario may still be alive in the next one. */
static void end_game(struct game *g)
{
    const struct command end = {.op = OP_END};
    struct reply reply = {0};

    /* The program might wait for it. */
    if (g->run->mode == RUN_LINGER && !g->lingered) {
        g->run->peer_gone = true;
        reset_and_close(g->peer);
        g->peer = -1;
    }
    if (is_process(g->s->holder) && g->run->holder_pid > 0 && !g->holder_ended) {
        stage_tell(g->stage->holder_control, &end);
        if (!game_wait_for_end(g->run->holder_pid, NULL))
            game_trouble(g, "the fork child doesn't end");
    }
    if (!g->ended && !g->stage->stuck) {
        stage_tell(g->stage->control, &end);
        while (reply.op != OP_ENDED && stage_hear(g->stage, g->stage->control, &reply, NULL))
            ;
    }
    game_looks_back(g, g->run->holder_gave_up ? &g->run->holder_witness : &g->run->witness);
    g->run->peer_sent = g->peer_sent;
    reset_and_close(g->peer);
    for (int i = 0; i < CLIENTS_MAX; i++)
        reset_and_close(g->clients[i]);
    g->run->log_size = stage_log_read(g->stage, g->run->log, sizeof g->run->log);
}

void run_scenario(struct stage *stage, const struct scenario *scenario, struct run *run)
{
    struct game g = {.stage = stage, .s = scenario, .run = run, .peer = -1};

    memset(run, 0, offsetof(struct run, log));
    run->mode = stage->mode;
    run->scenario = *scenario;
    run->fd = run->holder_fd = run->holder_got = -1;
    g.scene.linger = scenario->inherits_linger ? 0 : LINGER_OFF;
    for (int i = 0; i < CLIENTS_MAX; i++)
        g.clients[i] = -1;
    if (stage_begin(stage, scenario) != 0) {
        game_trouble(&g, "the program doesn't start");
        stage->stuck = true;
        return;
    }
    if (scenario->listening)
        play_listener(&g);
    else
        play_connection(&g);
    end_game(&g);
}
