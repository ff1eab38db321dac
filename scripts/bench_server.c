/*
 * The server that is measured: accept, read a request, answer, close. Its processor time is read
 * from outside (bench_cpu), its system calls are counted by strace, and its summary is the library's own.
 *
 * -t: so many threads, all of them in accept. -s: each spins so many us of its processor time before
 * it answers, so that threads are busy. -n: it ends after so many connections; else a signal ends it.
 * It prints its port. With -m it prints at its end what a close took of its thread's processor time
 * (ns: the 99.9 % quantile of the least of the rounds of 2,000), and the voluntary context switches
 * of 1,000 closes.
 *
 * An answer begins with the time (CLOCK_MONOTONIC, a double) at which its close began but for the
 * write, so that the client knows how long FIN took.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROUND 2000

static struct {
    long threads, count, spin_us;
    bool measure;
} options = {.threads = 1};

static int listener;
static atomic_long begun;  /* connections that a thread has taken on */
static atomic_long closed; /* places used in cost */
static atomic_long switches;
static float *cost;

static void spin(double ns)
{
    double end = bench_now(CLOCK_THREAD_CPUTIME_ID) + ns;

    while (bench_now(CLOCK_THREAD_CPUTIME_ID) < end)
        ;
}

static void measured_close(int fd)
{
    struct rusage before, after;
    double start;

    getrusage(RUSAGE_THREAD, &before);
    start = bench_now(CLOCK_THREAD_CPUTIME_ID);
    close(fd);
    cost[atomic_fetch_add(&closed, 1)] = (float)(bench_now(CLOCK_THREAD_CPUTIME_ID) - start);
    getrusage(RUSAGE_THREAD, &after);
    atomic_fetch_add(&switches, after.ru_nvcsw - before.ru_nvcsw);
}

static void answer(int fd)
{
    char request[BENCH_REQUEST], response[BENCH_RESPONSE] = "";
    double time;

    if (recv(fd, request, sizeof(request), MSG_WAITALL) != sizeof(request))
        bench_fail("read a request");
    if (options.spin_us)
        spin(1e3 * (double)options.spin_us);
    time = bench_now(CLOCK_MONOTONIC);
    memcpy(response, &time, sizeof(time));
    if (write(fd, response, sizeof(response)) != sizeof(response))
        bench_fail("write an answer");
    if (options.measure)
        measured_close(fd);
    else
        close(fd);
}

static void *serve(void *unused)
{
    (void)unused;
    while (!options.count || atomic_fetch_add(&begun, 1) < options.count)
        answer(bench_accept(listener));
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void show_costs(void)
{
    double least = 0;

    for (long at = 0; at + ROUND <= options.count; at += ROUND) {
        qsort(cost + at, ROUND, sizeof(*cost), ascending);
        bench_keep_least(&least, (double)cost[at + ROUND - 1 - ROUND / 1000]);
    }
    printf("%.0f %.2f\n", least, 1e3 * (double)switches / (double)options.count);
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "t:n:s:m")) != -1)
        if (option == 't')
            options.threads = bench_number(optarg);
        else if (option == 'n')
            options.count = bench_number(optarg);
        else if (option == 's')
            options.spin_us = bench_number(optarg);
        else if (option == 'm')
            options.measure = true;
        else
            bench_usage("[-t THREADS] [-n COUNT [-m]] [-s US]");
    if (options.measure && options.count < ROUND)
        bench_usage("-m: COUNT is at least 2000");
}

static void run_threads(void)
{
    pthread_t *thread = calloc((size_t)options.threads, sizeof(*thread));

    for (long i = 1; i < options.threads; i++)
        if (!thread || pthread_create(&thread[i], NULL, serve, NULL))
            bench_fail("start a thread");
    serve(NULL);
    for (long i = 1; i < options.threads; i++)
        pthread_join(thread[i], NULL);
    free(thread);
}

int main(int argc, char **argv)
{
    uint16_t port;

    read_options(argc, argv);
    bench_allow_many_files();
    cost = calloc((size_t)options.count + 1, sizeof(*cost));
    if (!cost)
        bench_fail("get memory");
    listener = bench_listen(&port);
    /* Busy threads are to be busy on all processors. */
    if (!options.spin_us)
        bench_pin(0, false);
    printf("%u\n", port);
    fflush(stdout);
    run_threads();
    if (options.measure)
        show_costs();
    return 0;
}
