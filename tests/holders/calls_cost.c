/*
 * calls_cost switches: how often a thread went to sleep in 199 closes, in a program with 16 threads
 * that are always busy. The first one, before them, starts the thread of the library: once in a process.
 * calls_cost fin [COUNT]: how long it takes from a close to the peer's reading the end of the
 * connection, in a program with three threads, one close every 50 ms: the median of COUNT (200), in
 * microseconds, and the slowest.
 *
 * At each close something is unread.
 */
#define _GNU_SOURCE
#include "calls.h"

#include <sys/resource.h>

enum { FEW = 5, BUSY = 16, CLOSES = 200, AT_A_TIME = 50, PAUSE_US = 50000, SAMPLES_MOST = 10000 };

static long sleeps(void)
{
    struct rusage usage;

    must(getrusage(RUSAGE_THREAD, &usage), "getrusage");
    return usage.ru_nvcsw;
}

SCENE(switches, "switches")
{
    int fds[CLOSES];
    long count = 0;

    calls_take_many(fds, CLOSES, AT_A_TIME, FEW);
    calls_start_busy(BUSY);
    for (int i = 0; i < CLOSES; i++) {
        long before = sleeps();
        must(close(fds[i]), "close");
        count += i ? sleeps() - before : 0;
    }
    owner_say("%ld voluntary context switches\n", count);
}

static long until_fin(int listener)
{
    int fd = owner_takes(listener);
    int64_t before;

    owner_sends(FEW);
    owner_begins_to_ask('T', 0);
    usleep(PAUSE_US); /* the peer waits for the end now, and what is asleep is */
    before = net_now_ns();
    must(close(fd), "close");
    return (long)((unsigned long)owner_hears().bytes - (unsigned long)before);
}

static int by_size(const void *a, const void *b)
{
    long left = *(const long *)a;
    long right = *(const long *)b;

    return (left > right) - (left < right);
}

static int samples = 200;

SCENE(fin, "fin")
{
    static long ns[SAMPLES_MOST];
    int listener = owner_listens();

    for (int i = 0; i < 2; i++)
        calls_start_asleep(calls_sleep);
    for (int i = 0; i < samples; i++)
        ns[i] = until_fin(listener);
    qsort(ns, (size_t)samples, sizeof ns[0], by_size);
    owner_say("median %ld us, slowest %ld us\n", ns[samples / 2] / 1000, ns[samples - 1] / 1000);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        samples = atoi(argv[2]);
    if (samples < 1 || samples > SAMPLES_MOST)
        return 2;
    return owner_plays(argv[1]);
}
