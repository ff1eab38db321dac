/*
 * What no question can settle: data that comes between the question and the close. The peer sends
 * one byte at a moment that wanders over the close, thousands of times; a program that has read
 * everything closes meanwhile. How often the event and the kernel then disagree is a figure for the
 * documentation and no fault: in every other comparison of the referee nothing moves. As the
 * moments are evenly spread, the share of disagreements tells how long the gap is. It depends on
 * what the library does in between: nothing, where it has nothing to tell; else it writes a line.
 */
#define _GNU_SOURCE
#include "referee_stage.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of one round; written before the sender is let go. */
struct shot {
    int fd;
    long delay_ns;
    pthread_barrier_t go;
};

struct tally {
    int rounds;
    int before;   /* the byte came before the question: told, and reset or drained */
    int after;    /* it came after the close: both say FIN, and the byte was answered later */
    int between;  /* nothing unread, says the library; the kernel found the byte */
    int untrue;   /* any other disagreement: there must be none */
    int problems; /* a round that could not be played */
};

static void *shoot(void *context)
{
    struct shot *shot = context;
    int64_t start;

    pthread_barrier_wait(&shot->go);
    start = net_now_ns();
    while (net_now_ns() - start < shot->delay_ns)
        ;
    send(shot->fd, "!", 1, MSG_NOSIGNAL);
    return NULL;
}

/* An ordinary connection: accepted, nothing read, nothing written. */
static void plain(struct scenario *s)
{
    memset(s, 0, sizeof *s);
    s->keeps_listener = true;
    s->door = DOOR_CLOSE;
}

static bool ask(struct stage *stage, enum op op, const struct sockaddr_in6 *address,
                struct reply *reply)
{
    struct command command = {.op = op};

    if (address)
        command.address = *address;
    return stage_tell(stage->control, &command) && stage_hear(stage, stage->control, reply, NULL) &&
           reply->op == op;
}

/* A peer connected to a fresh program; -1 if that fails. */
static int open_pair(struct stage *stage, const struct scenario *s, struct run *run)
{
    struct sockaddr_in6 address = wire_address(s, true, &stage->place, 0);
    struct reply reply;
    int fd;

    if (stage_begin(stage, s) != 0 || !ask(stage, OP_OPEN, &address, &reply))
        return -1;
    address = wire_address(s, false, &stage->place, reply.result);
    fd = wire_socket(s, false);
    if (fd < 0 || wire_connect(fd, &address) != 0 || !ask(stage, OP_ACCEPT, NULL, &reply) ||
        net_name(fd, false, run->peers) != 0 || net_name(fd, true, run->ours) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* No event is what a close without a cause has, where only resets are logged. */
static void count(struct tally *t, const struct said *said, bool every_close, const char *reason)
{
    bool says_unread = strcmp(said->cause, "unread-data") == 0;
    bool says_reset = strcmp(said->outcome, "rst") == 0;
    bool resets = strcmp(reason, "TCP_ABORT_ON_CLOSE") == 0;

    if (!said->found && every_close)
        t->problems++;
    else if (says_reset != resets && !resets)
        t->untrue++;
    else if (says_reset != resets)
        t->between++;
    else if (says_unread)
        t->before++;
    else
        t->after++;
}

static bool play_round(struct stage *stage, long delay_ns, struct tally *t)
{
    static struct run run;
    const struct command end = {.op = OP_END};
    struct shot shot = {.delay_ns = delay_ns};
    struct scenario s;
    struct reply reply;
    struct said said;
    pthread_t thread;
    char reason[64] = "";
    const char *found;
    long at = 0;

    plain(&s);
    shot.fd = open_pair(stage, &s, &run);
    if (shot.fd < 0)
        return false;
    pthread_barrier_init(&shot.go, NULL, 2);
    if (pthread_create(&thread, NULL, shoot, &shot) != 0)
        return false;
    pthread_barrier_wait(&shot.go);
    if (!ask(stage, OP_GIVE_UP, NULL, &reply))
        return false;
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&shot.go);
    while ((found = net_trace_reason(run.ours, run.peers)) && found[0])
        if (!reason[0])
            snprintf(reason, sizeof reason, "%s", found);
    stage_tell(stage->control, &end);
    while (stage_hear(stage, stage->control, &reply, NULL) && reply.op != OP_ENDED)
        ;
    net_zero_linger(shot.fd);
    close(shot.fd);
    run.log_size = stage_log_read(stage, run.log, sizeof run.log);
    do
        said_next(run.log, &at, run.log_size, &said);
    while (said.found && strcmp(said.peer, run.peers) != 0);
    count(t, &said, !stage->resets_only, reason);
    return true;
}

/* 0 where nothing else was wrong. */
static int race_in(enum run_mode mode, bool resets_only, int rounds, const struct place *place)
{
    struct stage *stage = stage_open(mode, resets_only, SETTING_PLAIN, place);
    struct tally t = {0};
    uint64_t random = (uint64_t)net_now_ns();
    const long span_ns = 150000; /* from the command to after the close, on a slow machine too */

    if (!stage)
        return 2;
    for (; t.rounds < rounds; t.rounds++)
        t.problems += !play_round(stage, (long)(random_next(&random) % (unsigned long)span_ns), &t);
    stage_close(stage);
    printf("%s, %s: %d closes, one byte sent at a random moment within %ld us of each\n"
           "%6d it was there in time, and was %s\n"
           "%6d it came after the close: FIN, say the library and the kernel\n"
           "%6d it came in between: FIN, says the library, and the kernel resets (%.1f us)\n"
           "%6d the log is wrong in another way\n"
           "%6d could not be played\n",
           mode == RUN_DRAIN ? "drain" : "log",
           resets_only ? "only resets are logged" : "all closes", t.rounds, span_ns / 1000,
           t.before, mode == RUN_DRAIN ? "drained" : "told", t.after, t.between,
           1e-3 * (double)span_ns * t.between / t.rounds, t.untrue, t.problems);
    return t.untrue || t.problems;
}

int race(int rounds, const struct place *place)
{
    int failed = race_in(RUN_LOG, true, rounds, place);

    failed |= race_in(RUN_LOG, false, rounds, place);
    failed |= race_in(RUN_DRAIN, true, rounds, place);
    net_trace_stop();
    return failed;
}
