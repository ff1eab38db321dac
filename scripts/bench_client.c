/*
 * The other end of bench_server: sends a request, reads to the end, closes only then.
 *
 *   ask COUNT EXTRA AT_A_TIME PORT   COUNT connections, each with EXTRA bytes that the server leaves
 *                                    unread; prints how many ended in a reset
 *   fin COUNT EXTRA MS PORT          one every MS ms; prints how long after the close began the end was
 *                                    read: the median, us; and how many of them were resets
 *   hold COUNT PORT                  reads COUNT connections to their end without closing them, says
 *                                    "held", and keeps them until its input ends
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

static struct {
    long count, extra;
    uint16_t port;
} options;

static atomic_long begun, resets;

static int ask(long extra)
{
    static const char bytes[BENCH_REQUEST + 65536];
    int fd = bench_connect(options.port);
    ssize_t size = BENCH_REQUEST + extra;

    if (extra > 65536 || write(fd, bytes, (size_t)size) != size)
        bench_fail("write a request");
    return fd;
}

static void *ask_in_turn(void *unused)
{
    (void)unused;
    while (atomic_fetch_add(&begun, 1) < options.count) {
        int fd = ask(options.extra);

        atomic_fetch_add(&resets, bench_read_to_end(fd));
        close(fd);
    }
    return NULL;
}

static int command_ask(char **arg)
{
    pthread_t thread[64];
    long threads = bench_number(arg[2]);

    if (threads < 1 || threads > 64)
        bench_usage("ask COUNT EXTRA AT_A_TIME PORT (AT_A_TIME is 1 to 64)");
    options.count = bench_number(arg[0]);
    options.extra = bench_number(arg[1]);
    options.port = (uint16_t)bench_number(arg[3]);
    if (threads == 1)
        bench_pin(0, true);
    for (long i = 1; i < threads; i++)
        if (pthread_create(&thread[i], NULL, ask_in_turn, NULL))
            bench_fail("start a thread");
    ask_in_turn(NULL);
    for (long i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("%ld\n", resets);
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* From the time that the server's answer brings to the end. */
static double time_to_end(void)
{
    int fd = ask(options.extra);
    char response[BENCH_RESPONSE];
    double start, took;

    if (recv(fd, response, sizeof(response), MSG_WAITALL) != sizeof(response))
        bench_fail("read an answer");
    memcpy(&start, response, sizeof(start));
    atomic_fetch_add(&resets, bench_read_to_end(fd));
    took = bench_now(CLOCK_MONOTONIC) - start;
    close(fd);
    return took;
}

static int command_fin(char **arg)
{
    long count = bench_number(arg[0]), ms = bench_number(arg[2]);
    double *took = calloc((size_t)count + 1, sizeof(*took));

    options.extra = bench_number(arg[1]);
    options.port = (uint16_t)bench_number(arg[3]);
    if (!took || !count)
        bench_usage("fin COUNT EXTRA MS PORT (COUNT is at least 1)");
    for (long i = 0; i < count; i++) {
        took[i] = time_to_end();
        bench_sleep(1e6 * (double)ms);
    }
    qsort(took, (size_t)count, sizeof(*took), ascending);
    printf("%.1f %ld\n", took[count / 2] / 1e3, resets);
    free(took);
    return 0;
}

static int command_hold(char **arg)
{
    char byte;

    options.port = (uint16_t)bench_number(arg[1]);
    bench_allow_many_files();
    bench_pin(0, true);
    for (long i = bench_number(arg[0]); i > 0; i--)
        bench_read_to_end(ask(0));
    printf("held\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && !strcmp(argv[1], "ask"))
        return command_ask(argv + 2);
    if (argc == 6 && !strcmp(argv[1], "fin"))
        return command_fin(argv + 2);
    if (argc == 4 && !strcmp(argv[1], "hold"))
        return command_hold(argv + 2);
    bench_usage("ask COUNT EXTRA AT_A_TIME PORT | fin COUNT EXTRA MS PORT | hold COUNT PORT");
}
