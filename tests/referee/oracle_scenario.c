/* What a connection's seed says. See oracle.h. */
#include "oracle.h"

#include <stdio.h>

static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int below(uint64_t *state, int most)
{
    return (int)(draw(state) % (uint64_t)most);
}

static bool chance(uint64_t *state, int percent)
{
    return below(state, 100) < percent;
}

/* From 1 up to MOST, small ones as often as large ones. */
static int size_up_to(uint64_t *state, int most)
{
    int most_here = 1;

    for (int bits = below(state, 20); bits > 0 && most_here < most; bits--)
        most_here *= 2;
    return 1 + below(state, most_here < most ? most_here : most);
}

static const char *const names[KIND_COUNT] = {
#define KIND(id, name) [KIND_##id] = name,
    ORACLE_KINDS(KIND)
#undef KIND
};

/* Of 100 and some more. What starts a program takes long. */
static const int weights[KIND_COUNT] = {
    [KIND_ALONE] = 12,      [KIND_DUP] = 8,    [KIND_DUP_FAILS] = 5,   [KIND_FORK] = 14,
    [KIND_GRANDCHILD] = 5,  [KIND_KILLED] = 5, [KIND_HEADLESS] = 4,    [KIND_NOBODY] = 4,
    [KIND_NAMESPACE] = 4,   [KIND_ADOPT] = 10, [KIND_FLIGHT] = 4,      [KIND_PASS] = 5,
    [KIND_CROWD] = 1,       [KIND_VFORK] = 4,  [KIND_TABLE] = 2,       [KIND_TAKEN] = 2,
    [KIND_CHILD_PASS] = 10, [KIND_EXEC] = 2,   [KIND_SPAWN] = 3,       [KIND_SHELL] = 1,
    [KIND_READER] = 2,      [KIND_WRITER] = 2, [KIND_FORK_READER] = 2, [KIND_FORK_WRITER] = 2,
};

const char *kind_name(enum kind kind)
{
    return names[kind];
}

bool kind_is_call(enum kind kind)
{
    return kind == KIND_READER || kind == KIND_WRITER;
}

bool kind_has_reader(enum kind kind)
{
    return kind == KIND_READER || kind == KIND_FORK_READER;
}

bool kind_has_writer(enum kind kind)
{
    return kind == KIND_WRITER || kind == KIND_FORK_WRITER;
}

static bool in_threads(enum kind kind)
{
    return kind_has_reader(kind) || kind_has_writer(kind) || kind == KIND_ADOPT;
}

/* By ways on which nobody can follow it. */
static bool goes_out_of_sight(enum kind kind)
{
    return kind == KIND_FLIGHT || kind == KIND_PASS || kind == KIND_CHILD_PASS;
}

bool scenario_stays(const struct scenario *s)
{
    if (kind_has_reader(s->kind) || kind_has_writer(s->kind))
        return false;
    return s->zero_linger || (!s->reads && goes_out_of_sight(s->kind));
}

bool scenario_may_be_mended(const struct scenario *s)
{
    switch (s->kind) {
    case KIND_ALONE:
    case KIND_DUP:
    case KIND_DUP_FAILS:
    case KIND_FORK:
    case KIND_GRANDCHILD:
    case KIND_KILLED:
    case KIND_ADOPT:
        return !s->reads && !s->zero_linger;
    default:
        return false;
    }
}

static enum kind draw_kind(uint64_t *state)
{
    int all = 0, at;

    for (int kind = 0; kind < KIND_COUNT; kind++)
        all += weights[kind];
    at = below(state, all);
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if ((at -= weights[kind]) < 0)
            return (enum kind)kind;
    return KIND_ALONE;
}

static enum door draw_door(uint64_t *state, bool may_end, bool raw)
{
    enum door door;

    do
        door = (enum door)below(state, may_end ? DOOR_COUNT : DOOR_EXIT);
    while (raw && (door == DOOR_FCLOSE || door == DOOR_EXIT));
    return door;
}

static bool is_fork(enum kind kind)
{
    return kind == KIND_FORK || kind == KIND_GRANDCHILD || kind == KIND_NOBODY ||
           kind == KIND_NAMESPACE;
}

/* A child that is the other or the user may end by the end of its process. */
static void draw_doors(struct scenario *s, uint64_t *state)
{
    for (int who = OTHER; who <= USER; who++) {
        bool by_child = is_fork(s->kind) && s->other_uses == (who == USER);

        s->door[who] = draw_door(state, by_child, s->raw);
        s->spin[who] = below(state, 300);
    }
    if (s->kind == KIND_CHILD_PASS)
        s->spin[USER] /= 3;
}

/* What is fixed for some kinds. */
static void bend(struct scenario *s)
{
    switch (s->kind) {
    case KIND_ALONE:
    case KIND_DUP_FAILS:
    case KIND_SHELL:
        s->other_uses = false;
        s->others = 0;
        break;
    case KIND_KILLED:
    case KIND_VFORK:
        s->other_uses = false;
        break;
    case KIND_TABLE:
    case KIND_TAKEN:
    case KIND_PASS:
    case KIND_FLIGHT:
    case KIND_CHILD_PASS:
        s->other_uses = true;
        break;
    case KIND_CROWD:
        s->other_uses = true;
        s->by_worker = true; /* which has no threads */
        s->others = 2;
        break;
    case KIND_GRANDCHILD:
        s->others = 2;
        break;
    case KIND_HEADLESS:
        s->other_uses = true;
        s->others = 1 + s->variant % 2;
        s->by_worker |= s->others == 2; /* who has no threads */
        break;
    case KIND_ADOPT:
        s->keeps |= s->variant % 2 == 0;
        s->early = 0; /* a child may take it over before who accepts comes to read */
        break;
    case KIND_READER:
    case KIND_FORK_READER:
        s->reads = true;
        s->at_once = s->early = s->answer = 0;
        break;
    case KIND_WRITER:
    case KIND_FORK_WRITER:
        s->reads = false;
        s->early = 0;
        s->at_once = s->request = s->variant % 2 ? s->request : 0;
        s->answer = 300000;
        break;
    default:
        break;
    }
    if (in_threads(s->kind))
        s->by_worker = false;
    if (s->kind == KIND_CHILD_PASS || scenario_stays(s))
        s->ordered = true;
}

void scenario_draw(struct scenario *s, uint64_t seed, uint64_t index)
{
    uint64_t state = seed * 0xd1342543de82ef95 + index;

    draw(&state);
    *s = (struct scenario){.index = index, .kind = draw_kind(&state), .others = 1};
    s->variant = below(&state, 60);
    s->by_worker = chance(&state, 25);
    s->other_uses = chance(&state, 60);
    s->reads = chance(&state, 65);
    s->zero_linger = !s->reads && chance(&state, 15);
    s->ordered = chance(&state, 60);
    s->keeps = chance(&state, 10);
    s->signals = chance(&state, 20);
    s->scans = chance(&state, 60);
    s->preloaded = chance(&state, 60);
    s->raw = s->kind == KIND_NAMESPACE || s->kind == KIND_VFORK || s->kind == KIND_CROWD ||
             (s->kind == KIND_FORK && chance(&state, 30));
    s->request = size_up_to(&state, 20000);
    s->early = chance(&state, 30) ? below(&state, s->request) : 0;
    s->at_once = chance(&state, 80) ? s->request : below(&state, s->request + 1);
    s->pause = below(&state, 1000);
    s->answer = 100 + size_up_to(&state, 300000);
    s->client_sleeps = chance(&state, 30) ? below(&state, 3000) : 0;
    draw_doors(s, &state);
    s->tries = (is_fork(s->kind) || s->kind == KIND_HEADLESS) && chance(&state, 20);
    bend(s);
}

static const char *const doors[DOOR_COUNT] = {
    "close",  "syscall close", "dup2",  "syscall dup2", "close_range",
    "fclose", "exit",          "_exit", "exit_group",   "SIGKILL"};

void scenario_words(const struct scenario *s, char *words, size_t size)
{
    snprintf(
        words, size,
        "%s %d, accepted by a %s%s%s%s%s%s%s; request %d (%d early, %d at once), answer %d; %s uses it "
        "%s: %s; others: %s after %d us, user: %s after %d us",
        kind_name(s->kind), s->variant, s->by_worker ? "worker" : "thread",
        s->keeps ? ", kept over exec" : "", s->signals ? ", signals" : "", s->raw ? ", raw" : "",
        s->tries ? ", tries to execute" : "", s->scans ? ", scans" : "",
        s->preloaded ? "" : ", helper not preloaded", s->request, s->early, s->at_once, s->answer,
        s->other_uses ? "the other" : "who accepted", s->ordered ? "last" : "meanwhile",
        s->zero_linger ? "asks for a reset"
        : s->reads     ? "reads all"
                       : "leaves the rest",
        doors[s->door[OTHER]], s->spin[OTHER], doors[s->door[USER]], s->spin[USER]);
}

unsigned char pattern(uint64_t index, bool answer, long at)
{
    return (unsigned char)(at * 131 + (at >> 8) * 17 + (long)index * 7 + (answer ? 99 : 0));
}
