/*
 * Processor time of two servers, in many short rounds that take turns (ABBA): of each the least, since
 * noise only adds. It reads the servers' clocks from outside, all threads of each among them; a round
 * has ended once the clock stands still, so that what the library does later counts too.
 *
 * "together": the client runs on the servers' processor. Then nobody wakes another processor, whose cost
 * is the sender's and depends on whether that one sleeps, so on who else is at work. On a busy machine
 * bare against bare, five times, was off by 1.1 % in the median and 4.4 % at worst; "apart", with a
 * processor each, by 5.4 % and 10.6 %.
 *
 * So many connections at a time: each of these is asked before the first one's answer is read.
 *
 * Prints ns of processor time for a connection of the first server, of the second, and how many of each
 * one's connections ended in a reset.
 */
#include "bench.h"

#define MOST 64 /* connections at a time */

static const char http_request[] = "GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
static const char plain_request[BENCH_REQUEST + 65536];

struct server {
    clockid_t clock;
    uint16_t port;
    double least;
    long resets;
};

static const char *request = plain_request;
static size_t request_size;
static long at_a_time;

static void ask(struct server *s)
{
    int fd[MOST];

    for (long i = 0; i < at_a_time; i++) {
        fd[i] = bench_connect(s->port);
        if (write(fd[i], request, request_size) != (ssize_t)request_size)
            bench_fail("write a request");
    }
    for (long i = 0; i < at_a_time; i++) {
        s->resets += bench_read_to_end(fd[i]);
        close(fd[i]);
    }
}

/* The lot collects for 3 ms: what stands still for 6 ms is done. */
static double cpu_at_rest(clockid_t clock)
{
    double before = -1;

    for (int calm = 0; calm < 6;) {
        double now = bench_now(clock);

        calm = now == before ? calm + 1 : 0;
        before = now;
        bench_sleep(1e6);
    }
    return before;
}

static void play(struct server *s, long connections)
{
    double start = bench_now(s->clock);

    for (long i = 0; i < connections; i += at_a_time)
        ask(s);
    bench_keep_least(&s->least, (cpu_at_rest(s->clock) - start) / (double)connections);
}

static void set_request(const char *extra)
{
    if (!strcmp(extra, "http")) {
        request = http_request;
        request_size = sizeof(http_request) - 1;
        return;
    }
    request_size = (size_t)(BENCH_REQUEST + bench_number(extra));
    if (request_size > sizeof(plain_request))
        bench_usage("...: EXTRA is at most 65536");
}

/* A server that doesn't pin itself, such as nginx, is put where ours are. */
static void get_ready(struct server *s, char **arg)
{
    pid_t pid = (pid_t)bench_number(arg[0]);

    errno = clock_getcpuclockid(pid, &s->clock);
    if (errno)
        bench_fail("find a server's clock");
    s->port = (uint16_t)bench_number(arg[1]);
    bench_pin(pid, false);
}

/* The first connections fault in pages and grow tables. */
static void warm_up(struct server *s)
{
    for (int i = 0; i < 50; i++)
        ask(s);
    s->resets = 0;
    cpu_at_rest(s->clock);
}

int main(int argc, char **argv)
{
    struct server servers[2] = {{0}};
    long rounds, connections;
    bool is_apart;

    if (argc != 10 || (strcmp(argv[1], "together") && strcmp(argv[1], "apart")))
        bench_usage("together|apart ROUNDS CONNECTIONS AT_A_TIME EXTRA|http PID PORT PID PORT");
    is_apart = !strcmp(*++argv, "apart");
    rounds = bench_number(argv[1]);
    connections = bench_number(argv[2]);
    at_a_time = bench_number(argv[3]);
    if (at_a_time < 1 || at_a_time > MOST || connections % at_a_time)
        bench_usage("...: AT_A_TIME is 1 to 64 and divides CONNECTIONS");
    set_request(argv[4]);
    for (int i = 0; i < 2; i++)
        get_ready(&servers[i], argv + 5 + 2 * i);
    bench_pin(0, is_apart);
    for (int i = 0; i < 2; i++)
        warm_up(&servers[i]);
    for (long i = 0; i < rounds; i++) {
        play(&servers[i % 2], connections);
        play(&servers[1 - i % 2], connections);
    }
    printf("%.0f %.0f %ld %ld\n", servers[0].least, servers[1].least, servers[0].resets,
           servers[1].resets);
    return 0;
}
