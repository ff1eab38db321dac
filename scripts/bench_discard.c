/*
 * Discarding MB megabytes that are queued already: by a read loop with 64 kB, and in place, as the
 * library does it (recv with MSG_TRUNC and no buffer). The clock stands still while the queue is filled, for
 * how fast somebody sends is not the question. Prints the least of ROUNDS of each, ms.
 */
#include "bench.h"

#include <limits.h>

typedef ssize_t discard_way(int fd);

static ssize_t by_reading(int fd)
{
    static char buffer[65536];

    return recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
}

static ssize_t in_place(int fd)
{
    return recv(fd, NULL, INT_MAX, MSG_TRUNC | MSG_DONTWAIT);
}

static void fill(int from)
{
    static const char source[1 << 18];

    while (send(from, source, sizeof(source), MSG_DONTWAIT) > 0)
        ;
    if (errno != EAGAIN)
        bench_fail("fill a receive queue");
}

static double discard(int from, int to, double bytes, discard_way *way)
{
    double took = 0, done = 0;

    while (done < bytes) {
        double begin;
        ssize_t n;

        fill(from);
        begin = bench_now(CLOCK_MONOTONIC);
        while ((n = way(to)) > 0)
            done += (double)n;
        took += bench_now(CLOCK_MONOTONIC) - begin;
        if (n == 0 || errno != EAGAIN)
            bench_fail("discard");
    }
    return took * (bytes / done);
}

int main(int argc, char **argv)
{
    double least[2] = {0, 0}, bytes;
    uint16_t port;
    int from, to, listener = bench_listen(&port);

    if (argc != 3)
        bench_usage("ROUNDS MB");
    bytes = 1048576.0 * (double)bench_number(argv[2]);
    from = bench_connect(port);
    to = bench_accept(listener);
    bench_pin(0, false);
    /* Once for nothing: the kernel tunes the window to what it sees. */
    discard(from, to, bytes / 8, by_reading);
    for (long i = bench_number(argv[1]); i > 0; i--) {
        bench_keep_least(&least[0], discard(from, to, bytes, by_reading));
        bench_keep_least(&least[1], discard(from, to, bytes, in_place));
    }
    printf("%.2f %.2f\n", least[0] / 1e6, least[1] / 1e6);
    return 0;
}
