/*
 * What no question can settle: data that comes between the question and the close. The peer sends
 * one byte at a moment that wanders over the close, thousands of times; a program that has read
 * everything closes meanwhile. How often the event and the kernel then disagree is a figure for the
 * documentation and no fault: in every other comparison of the referee nothing moves.
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
    int before;   /* the byte came before the question, and both say unread data */
    int after;    /* it came after the close: both say FIN, and the byte was answered later */
    int between;  /* the event says FIN, the kernel found the byte */
    int untrue;   /* any other disagreement: there must be none */
    int problems; /* a round that could not be played */
};

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void *shoot(void *context)
{
    struct shot *shot = context;
    long start;

    pthread_barrier_wait(&shot->go);
    start = now_ns();
    while (now_ns() - start < shot->delay_ns)
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
    return stage_tell(stage->control, &command) &&
           stage_hear(stage, stage->control, reply, NULL, NULL) && reply->op == op;
}

/* A peer connected to a fresh program; -1 where that fails. */
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

static void count(struct tally *t, const struct said *said, const char *reason)
{
    bool says_reset = strcmp(said->outcome, "rst") == 0;
    bool resets = strcmp(reason, "TCP_ABORT_ON_CLOSE") == 0;

    if (!said->found)
        t->problems++;
    else if (says_reset && resets)
        t->before++;
    else if (!says_reset && !resets)
        t->after++;
    else if (resets)
        t->between++;
    else
        t->untrue++;
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
    while (stage_hear(stage, stage->control, &reply, NULL, NULL) && reply.op != OP_ENDED)
        ;
    net_zero_linger(shot.fd);
    close(shot.fd);
    run.log_size = stage_log_read(stage, run.log, sizeof run.log);
    do
        said_next(run.log, &at, run.log_size, &said);
    while (said.found && strcmp(said.peer, run.peers) != 0);
    count(t, &said, reason);
    return true;
}

int race(int count_of_rounds, const struct place *place)
{
    struct stage *stage = stage_open(RUN_LOG, false, place);
    struct tally t = {0};
    uint64_t random = (uint64_t)now_ns();
    const long span_ns = 150000; /* from the command to after the close, on a slow machine too */

    if (!stage)
        return 2;
    for (; t.rounds < count_of_rounds; t.rounds++)
        t.problems += !play_round(stage, (long)(random_next(&random) % (unsigned long)span_ns), &t);
    stage_close(stage);
    net_trace_stop();
    printf("%d closes, one byte sent at a random moment within %ld us of each:\n"
           "%6d the byte was there in time: the log and the kernel say unread data\n"
           "%6d it came too late for either: the log says FIN, and the kernel sent one\n"
           "%6d it came between the question and the close: the log says FIN, the kernel reset "
           "(%.2f %%)\n"
           "%6d the log is wrong in another way\n"
           "%6d could not be played\n",
           t.rounds, span_ns / 1000, t.before, t.after, t.between, 100.0 * t.between / t.rounds,
           t.untrue, t.problems);
    return t.untrue || t.problems;
}
