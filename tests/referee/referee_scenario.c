/* Draws a scenario from a seed, and tells it in words. */
#define _GNU_SOURCE
#include "referee.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* ---- Drawing --------------------------------------------------------------------------------- */

/* How far the story has come: what may still happen in it. */
struct plot {
    uint64_t random;
    bool beyond;
    bool big;       /* more than a few segments are written: what fits depends on the windows */
    bool we_shut;   /* for writing */
    bool read_shut; /* we, for reading */
    bool fin_lost;
    bool peer_shut;
    bool peer_deaf; /* it has shut down for reading: what we write makes it reset */
    bool peer_gone;
    bool waits;     /* SO_LINGER with a time */
    bool impatient; /* TCP_LINGER2 below 0: a close that waits would see the end of FIN_WAIT2 */
};

static unsigned below(struct plot *p, unsigned n)
{
    return (unsigned)(random_next(&p->random) >> 32) % n;
}

static bool chance(struct plot *p, unsigned percent)
{
    return below(p, 100) < percent;
}

/* An index into WEIGHTS, which end with a negative one. */
static int draw_weighted(struct plot *p, const int *weights)
{
    int sum = 0, at;

    for (int i = 0; weights[i] >= 0; i++)
        sum += weights[i];
    at = (int)below(p, (unsigned)sum);
    for (int i = 0;; i++) {
        at -= weights[i];
        if (at < 0)
            return i;
    }
}

static uint32_t draw_size(struct plot *p, bool small)
{
    static const uint32_t sizes[] = {1, 2, 5, 100, 1448, 9000, 65536, 1 << 20};
    static const int any[] = {20, 10, 20, 12, 12, 10, 9, 5, -1};
    static const int few[] = {25, 15, 30, 15, 15, -1};

    return sizes[draw_weighted(p, small ? few : any)];
}

/* The steps and how often each is tried; whether it fits the story so far decides plot_allows(). */
static const int op_weights[OP_STEPS + 1] = {
    [OP_PEER_SENDS] = 24, [OP_PEER_URGENT] = 16, [OP_PEER_READS] = 6,   [OP_PEER_SHUTS] = 9,
    [OP_PEER_RESETS] = 3, [OP_PEER_CLOSES] = 2,  [OP_WRITES] = 13,      [OP_READS] = 14,
    [OP_READS_ALL] = 9,   [OP_PEEKS] = 5,        [OP_TAKES_URGENT] = 7, [OP_PEEKS_URGENT] = 2,
    [OP_INLINE] = 4,      [OP_SHUTS] = 8,        [OP_SHUTS_LOST] = 5,   [OP_LINGERS] = 6,
    [OP_LINGER2] = 4,     [OP_STEPS] = -1,
};

static bool plot_allows(const struct plot *p, const struct scenario *s, enum op op)
{
    bool peer_sends = !p->peer_shut && !p->peer_gone;

    switch (op) {
    case OP_PEER_SENDS:
        return peer_sends;
    case OP_PEER_URGENT:
        return peer_sends && s->urgent;
    case OP_TAKES_URGENT:
    case OP_PEEKS_URGENT:
    case OP_INLINE:
        return s->urgent;
    case OP_PEER_READS:
        return !p->peer_gone;
    case OP_PEER_SHUTS:
        return peer_sends;
    case OP_PEER_RESETS:
        return !p->peer_gone;
    case OP_PEER_CLOSES: /* its ears stay shut when nobody can open them any more */
        return !p->peer_gone && !p->fin_lost;
    case OP_WRITES:
        return !p->we_shut;
    case OP_SHUTS_LOST: /* a close that waited for the answer to it would wait long */
        return !p->we_shut && !p->peer_gone && !p->waits;
    case OP_LINGER2: /* before, it resets or not as the answer to our FIN is quick or slow */
        return p->beyond || (p->we_shut && !p->fin_lost && !p->waits);
    default:
        return true;
    }
}

static uint32_t draw_step_size(struct plot *p, const struct scenario *s, enum op op)
{
    static const int hows[] = {[SHUT_RD] = 20, [SHUT_WR] = 60, [SHUT_RDWR] = 20, -1};
    static const int lingers[] = {60, 25, 15, -1};
    static const uint32_t times[] = {0, 5, LINGER_OFF};

    switch (op) {
    case OP_PEER_SENDS:
    case OP_WRITES:
    case OP_READS:
    case OP_PEEKS:
    case OP_PEER_READS:
        return draw_size(p, s->urgent);
    case OP_PEER_URGENT:
        return chance(p, 50) ? 1 : draw_size(p, true);
    case OP_INLINE:
        return below(p, 4) > 0;
    case OP_PEER_SHUTS:
        return chance(p, 90) ? SHUT_WR : SHUT_RDWR;
    case OP_SHUTS:
        return (uint32_t)draw_weighted(p, hows);
    case OP_LINGERS:
        return p->fin_lost || p->impatient ? 0 : times[draw_weighted(p, lingers)];
    default:
        return 0;
    }
}

static void plot_follows(struct plot *p, struct step step)
{
    switch (step.op) {
    case OP_PEER_SENDS:
    case OP_WRITES:
        p->big |= step.size > 9000;
        break;
    case OP_PEER_SHUTS:
        p->peer_shut = true;
        p->peer_deaf |= step.size != SHUT_WR;
        break;
    case OP_PEER_RESETS:
    case OP_PEER_CLOSES:
        p->peer_gone = true;
        break;
    case OP_SHUTS:
        p->we_shut |= step.size != SHUT_RD;
        p->read_shut |= step.size != SHUT_WR;
        break;
    case OP_SHUTS_LOST:
        p->we_shut = true;
        p->fin_lost = true;
        break;
    case OP_LINGERS:
        p->waits |= step.size == 5;
        break;
    case OP_LINGER2:
        p->impatient = true;
        break;
    default:
        break;
    }
}

static void add_step(struct plot *p, struct scenario *s, enum op op)
{
    if (s->count == STEPS_MAX || !plot_allows(p, s, op))
        return;
    s->steps[s->count].op = op;
    s->steps[s->count].size = draw_step_size(p, s, op);
    plot_follows(p, s->steps[s->count]);
    s->count++;
}

/* A story that chance alone rarely tells: both sides half-close while output waits unsent. */
static void add_full_queue(struct plot *p, struct scenario *s)
{
    static const struct step ends[] = {{OP_PEER_SHUTS, SHUT_WR}, {OP_SHUTS, SHUT_WR}};
    bool we_first = chance(p, 50);
    struct step steps[] = {{OP_WRITES, 1 << 20},
                           {OP_READS_ALL, 0},
                           ends[we_first],
                           ends[!we_first],
                           {OP_LINGERS, chance(p, 60) ? 0 : LINGER_OFF}};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        s->steps[s->count++] = steps[i];
        plot_follows(p, steps[i]);
    }
}

/* Who opened it lingers only for output, which mostly is acknowledged at once. */
static void add_output(struct plot *p, struct scenario *s)
{
    if (!s->we_connect || s->urgent || s->text || has_threads(s) || p->we_shut || p->peer_gone ||
        p->peer_deaf || s->count == STEPS_MAX || !chance(p, 20))
        return;
    s->steps[s->count++] = (struct step){OP_WRITES, 1 << 20};
}

/* Some threads can wait only where nothing stands in their way. */
static void make_room(struct plot *p, struct scenario *s)
{
    bool room = !p->peer_gone && !p->we_shut;

    if (s->holder == HOLD_READER && (!room || p->peer_shut || p->read_shut))
        s->holder = HOLD_NOBODY;
    if (s->holder == HOLD_PEEKER && (!room || p->peer_shut || p->read_shut || s->urgent || p->big))
        s->holder = HOLD_NOBODY;
    if (s->holder == HOLD_WRITER && (!room || p->peer_deaf || s->urgent))
        s->holder = HOLD_NOBODY;
    if (s->holder == HOLD_WRITER) {
        s->our_send_buffer = 8192;
        s->peer_receive_buffer = 4096;
    }
    if (s->holder == HOLD_POLL && (!room || p->peer_shut || p->read_shut))
        s->holder = HOLD_NOBODY;
    if ((s->holder == HOLD_READER || s->holder == HOLD_POLL) && s->count < STEPS_MAX)
        s->steps[s->count++] = (struct step){OP_READS_ALL, 0};
    else if (s->holder == HOLD_READER || s->holder == HOLD_POLL)
        s->steps[STEPS_MAX - 1] = (struct step){OP_READS_ALL, 0};
}

static void draw_holder(struct plot *p, struct scenario *s)
{
    static const int weights[HOLD_COUNT + 1] = {
        [HOLD_NOBODY] = 120,   [HOLD_DUP] = 12,        [HOLD_DUP_CLOSED] = 6, [HOLD_FORK] = 12,
        [HOLD_FORK_ENDED] = 5, [HOLD_FORK_KILLED] = 3, [HOLD_FLIGHT] = 6,     [HOLD_DELIVERED] = 5,
        [HOLD_READER] = 8,     [HOLD_WRITER] = 5,      [HOLD_PEEKER] = 3,     [HOLD_BUSY] = 2,
        [HOLD_EPOLL] = 4,      [HOLD_POLL] = 3,        [HOLD_SELECT] = 2,     [HOLD_EXEC] = 5,
        [HOLD_OTHER] = 4,      [HOLD_SPAWNER] = 1,     [HOLD_COUNT] = -1,
    };

    s->holder = (enum holder)draw_weighted(p, weights);
    s->early = s->holder <= HOLD_DELIVERED && chance(p, 40);
    s->holder_exits = chance(p, 30);
    s->holder_reads = chance(p, 70);
}

static void draw_door(struct plot *p, struct scenario *s)
{
    static const int weights[DOOR_COUNT + 1] = {
        [DOOR_CLOSE] = 40,   [DOOR_FCLOSE] = 7, [DOOR_PCLOSE] = 1,      [DOOR_FREOPEN] = 4,
        [DOOR_DUP2] = 7,     [DOOR_DUP3] = 4,   [DOOR_CLOSE_RANGE] = 5, [DOOR_CLOSEFROM] = 4,
        [DOOR_SYSCALL] = 9,  [DOOR_EXIT] = 7,   [DOOR_QUICK_EXIT] = 4,  [DOOR_EXIT_NOW] = 6,
        [DOOR_EXIT_C99] = 3, [DOOR_COUNT] = -1,
    };

    s->door = (enum door)draw_weighted(p, weights);
    if (s->listening && s->door == DOOR_PCLOSE) /* popen's stream is no listener */
        s->door = DOOR_CLOSE;
    s->variant = (int)below(p, 4);
    if (s->door == DOOR_CLOSEFROM) /* so that later numbers are higher than the connection's */
        s->keeps_listener = true;
    if (s->door == DOOR_FCLOSE && !s->listening && s->holder != HOLD_WRITER && !p->big &&
        !p->waits && chance(p, 40))
        s->text = 1 + (int)below(p, 40);
}

static void draw_buffers(struct plot *p, struct scenario *s)
{
    if (chance(p, 10))
        s->segment_size = chance(p, 50) ? 536 : 1000;
    if (s->urgent)
        return;
    if (chance(p, 20))
        s->our_send_buffer = 8192;
    if (chance(p, 20))
        s->peer_receive_buffer = 4096;
    if (chance(p, 10))
        s->our_receive_buffer = 4096;
}

/* What the peer does after the close, where somebody still listens. */
static void draw_late(struct plot *p, struct scenario *s)
{
    s->late = chance(p, 15) ? 0 : draw_size(p, s->urgent);
    s->late_first = chance(p, 50);
    s->late_resets = chance(p, 15);
}

static void draw_clients(struct plot *p, struct scenario *s)
{
    static const int fates[] = {
        [CLIENT_WAITS] = 60, [CLIENT_SENDS] = 20, [CLIENT_ENDS] = 10, [CLIENT_RESETS] = 10, -1};

    s->clients = (int)below(p, CLIENTS_MAX + 1);
    for (int i = 0; i < s->clients; i++)
        s->client[i] = (enum client)draw_weighted(p, fates);
    /* Where nobody who waits is alive, the kernel still names them to whoever asks. */
    if (!p->beyond && s->clients && s->client[0] == CLIENT_RESETS)
        s->client[0] = CLIENT_WAITS;
    if (s->holder > HOLD_FLIGHT && s->holder != HOLD_BUSY && s->holder != HOLD_OTHER)
        s->holder = HOLD_NOBODY;
}

static void draw_setting(struct plot *p, struct scenario *s)
{
    static const int settings[] = {
        [SETTING_PLAIN] = 84, [SETTING_NO_PROC] = 8, [SETTING_NO_NETLINK] = 8, -1};
    static const int drops[] = {[DROP_NOTHING] = 80, [DROP_RIGHTS] = 10, [DROP_ROOT] = 10, -1};

    s->setting = (enum setting)draw_weighted(p, settings);
    s->drop = (enum drop)draw_weighted(p, drops);
    s->drop_late = chance(p, 50);
    s->device = chance(p, 10);
    if (s->holder == HOLD_SPAWNER && (door_ends(s) || s->listening))
        s->holder = HOLD_NOBODY; /* what it has started may outlive it */
    if ((s->holder == HOLD_EXEC || s->holder == HOLD_SPAWNER) && s->drop == DROP_ROOT)
        s->drop = DROP_NOTHING; /* there is nothing to execute */
}

void scenario_draw(struct scenario *s, uint64_t seed, bool beyond)
{
    struct plot p = {.random = seed, .beyond = beyond};
    unsigned tries;

    memset(s, 0, sizeof *s);
    s->seed = seed;
    s->family = (enum net_family)below(&p, 3);
    s->listening = chance(&p, 6);
    s->we_connect = !s->listening && chance(&p, 40);
    s->keeps_listener = chance(&p, 50);
    s->resets_only = chance(&p, 25);
    s->urgent = chance(&p, 35);
    s->inherits_linger = !s->we_connect && chance(&p, 4);
    draw_buffers(&p, s);
    draw_holder(&p, s);
    if (s->listening) {
        draw_clients(&p, s);
    } else {
        if (!s->urgent && chance(&p, 5))
            add_full_queue(&p, s);
        tries = below(&p, s->count ? 5 : 22);
        while (tries-- > 0 && s->count < STEPS_MAX)
            add_step(&p, s, (enum op)draw_weighted(&p, op_weights));
        make_room(&p, s);
    }
    draw_door(&p, s);
    draw_late(&p, s);
    draw_setting(&p, s);
    add_output(&p, s);
    s->leaves = chance(&p, 25) && !door_ends(s) &&
                (s->holder == HOLD_NOBODY || s->holder == HOLD_DUP_CLOSED);
}

/* ---- What a door does ------------------------------------------------------------------------ */

bool is_process(enum holder holder)
{
    return holder == HOLD_FORK || holder == HOLD_EXEC;
}

const char *door_name(enum door door)
{
    static const char *const names[DOOR_COUNT] = {
#define DOOR(id, name) [DOOR_##id] = name,
#include "doors/doors.def"
#undef DOOR
    };
    return names[door];
}

/* Of the system calls, the last variant is exit_group. */
bool door_ends(const struct scenario *s)
{
    return s->door == DOOR_EXIT || s->door == DOOR_QUICK_EXIT || s->door == DOOR_EXIT_NOW ||
           s->door == DOOR_EXIT_C99 || (s->door == DOOR_SYSCALL && s->variant == 3);
}

bool door_takes_both(const struct scenario *s)
{
    return door_ends(s) || s->door == DOOR_CLOSEFROM;
}

/* ---- In words -------------------------------------------------------------------------------- */

struct words {
    char *text;
    size_t size;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *w, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(w->text + w->len, w->size - w->len, format, args);
    va_end(args);
    if (n > 0)
        w->len += (size_t)n < w->size - w->len ? (size_t)n : w->size - w->len - 1;
}

static const char *how_name(uint32_t how)
{
    return how == SHUT_RD ? "reading" : how == SHUT_WR ? "writing" : "both";
}

static void say_step(struct words *w, struct step step)
{
    unsigned n = step.size;

    switch (step.op) {
    case OP_PEER_SENDS:
        say(w, "the peer sends %u", n);
        break;
    case OP_PEER_URGENT:
        say(w, "the peer sends %u, the last byte urgent", n);
        break;
    case OP_PEER_READS:
        say(w, "the peer reads up to %u", n);
        break;
    case OP_PEER_SHUTS:
        say(w, "the peer shuts down for %s", how_name(n));
        break;
    case OP_PEER_RESETS:
        say(w, "the peer resets");
        break;
    case OP_PEER_CLOSES:
        say(w, "the peer closes");
        break;
    case OP_WRITES:
        say(w, "the program writes up to %u", n);
        break;
    case OP_READS:
        say(w, "the program reads up to %u", n);
        break;
    case OP_READS_ALL:
        say(w, "the program reads all there is");
        break;
    case OP_PEEKS:
        say(w, "the program peeks at up to %u", n);
        break;
    case OP_TAKES_URGENT:
        say(w, "the program takes the urgent byte with MSG_OOB");
        break;
    case OP_PEEKS_URGENT:
        say(w, "the program peeks at the urgent byte with MSG_OOB");
        break;
    case OP_INLINE:
        say(w, "the program sets SO_OOBINLINE %u", n);
        break;
    case OP_SHUTS:
        say(w, "the program shuts down for %s", how_name(n));
        break;
    case OP_SHUTS_LOST:
        say(w, "the program shuts down for writing, and its FIN is lost (unless it waits unsent)");
        break;
    case OP_LINGERS:
        if (n == LINGER_OFF)
            say(w, "the program switches SO_LINGER off");
        else
            say(w, "the program sets SO_LINGER {1,%u}", n);
        break;
    case OP_LINGER2:
        say(w, "the program sets TCP_LINGER2 to -1");
        break;
    default:
        break;
    }
}

static const char *holder_words(enum holder holder)
{
    static const char *const words[HOLD_COUNT] = {
        [HOLD_DUP] = "another number of the program holds the connection",
        [HOLD_DUP_CLOSED] = "another number held the connection and was closed",
        [HOLD_FORK] = "a fork child holds the connection",
        [HOLD_FORK_ENDED] = "a fork child held the connection and has ended",
        [HOLD_FORK_KILLED] = "a fork child held the connection and was killed",
        [HOLD_FLIGHT] = "a message that was not received holds the connection",
        [HOLD_DELIVERED] = "another number, received in a message, holds the connection",
        [HOLD_READER] = "a thread waits in recv",
        [HOLD_WRITER] = "a thread waits in send, of 1 MB",
        [HOLD_PEEKER] = "a thread waits in recv with MSG_PEEK and MSG_WAITALL",
        [HOLD_BUSY] = "a thread computes",
        [HOLD_EPOLL] = "a thread waits in epoll_wait for the connection",
        [HOLD_POLL] = "a thread waits in poll for the connection",
        [HOLD_SELECT] = "a thread waits in select, whose first argument is the connection's number",
        [HOLD_EXEC] = "another program, which has no library, holds the connection",
        [HOLD_SPAWNER] = "a thread starts one program after another",
        [HOLD_OTHER] = "a thread waits for data of another connection",
    };
    return words[holder];
}

static const char *client_words(enum client client)
{
    static const char *const words[] = {[CLIENT_WAITS] = "waits",
                                        [CLIENT_SENDS] = "has sent 5 bytes",
                                        [CLIENT_ENDS] = "has sent its FIN",
                                        [CLIENT_RESETS] = "has reset"};
    return words[client];
}

static void say_opening(struct words *w, const struct scenario *s)
{
    static const char *const families[] = {"IPv4", "IPv6", "IPv4 mapped into IPv6"};

    say(w, "%s, the program %s", families[s->family],
        s->listening    ? "listens"
        : s->we_connect ? "connects"
                        : "accepts");
    if (!s->listening && !s->we_connect)
        say(w, s->keeps_listener ? " and keeps the listener" : " and closes the listener");
    if (s->inherits_linger)
        say(w, ", SO_LINGER {1,0} set on the listener");
    if (s->our_send_buffer)
        say(w, ", its send buffer %d", s->our_send_buffer);
    if (s->our_receive_buffer)
        say(w, ", its receive buffer %d", s->our_receive_buffer);
    if (s->peer_receive_buffer)
        say(w, ", the peer's receive buffer %d", s->peer_receive_buffer);
    if (s->segment_size)
        say(w, ", segments of %d", s->segment_size);
    if (s->device)
        say(w, ", bound to its interface");
    if (s->setting != SETTING_PLAIN)
        say(w, s->setting == SETTING_NO_PROC ? ", /proc is empty" : ", netlink is refused");
    if (s->drop != DROP_NOTHING)
        say(w, ", it %s %s that", s->drop == DROP_RIGHTS ? "becomes nobody" : "changes its root",
            s->drop_late ? "after" : "before");
}

void scenario_words(const struct scenario *s, char *words, size_t size)
{
    struct words w = {words, size, 0};
    const char *holder = holder_words(s->holder);

    words[0] = '\0';
    say_opening(&w, s);
    if (holder && s->early)
        say(&w, "; from now on %s", holder);
    for (int i = 0; i < s->clients; i++)
        say(&w, "; client %d %s", i + 1, client_words(s->client[i]));
    for (int i = 0; i < s->count; i++) {
        say(&w, "; ");
        say_step(&w, s->steps[i]);
    }
    if (holder && !s->early)
        say(&w, "; %s", holder);
    say(&w, "; the program gives %s up by %s", s->listening ? "the listener" : "the connection",
        door_name(s->door));
    if (s->door == DOOR_SYSCALL) {
        static const char *const calls[] = {"close", "dup3", "close_range", "exit_group"};
        say(&w, " (%s)", calls[s->variant]);
    }
    if (s->text)
        say(&w, ", %d bytes waiting in the stream", s->text);
    if (s->holder == HOLD_DUP || s->holder == HOLD_FORK || s->holder == HOLD_DELIVERED ||
        s->holder == HOLD_EXEC)
        say(&w, "; then the holder%s gives it up%s", s->holder_reads ? " reads all and" : "",
            s->holder_exits && is_process(s->holder) ? " by ending" : "");
    if (!s->listening && s->leaves)
        say(&w, "; under linger the program then ends");
    if (!s->listening)
        say(&w, "; under linger the peer then sends up to %u, %s", s->late,
            s->late_resets  ? "reads all, sends as much again and resets"
            : s->late_first ? "its FIN, and reads all"
                            : "reads all, and sends as much again and its FIN");
    say(&w, s->resets_only ? ". Only resets are logged." : ". All closes are logged.");
}
