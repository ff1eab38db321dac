/*
 * A process with COUNT connections open (it has both ends of each, so COUNT / 2 were accepted and as
 * many connected) forks a child, which exits at once. For each line of its input it does that once more
 * and answers with two times in us: until fork had returned in the parent; from the child's exit() to
 * its end. So that several such processes can take turns.
 */
#include "bench.h"

#include <sys/mman.h>

static double *exit_began; /* in memory that the child shares */

static void open_connections(long count)
{
    uint16_t port;
    int listener = bench_listen(&port);

    for (long i = 0; i < count; i += 2) {
        bench_connect(port);
        bench_accept(listener);
    }
}

static void fork_once(void)
{
    double start = bench_now(CLOCK_MONOTONIC), forked;
    pid_t child = fork();

    if (child < 0)
        bench_fail("fork");
    if (child == 0) {
        *exit_began = bench_now(CLOCK_MONOTONIC);
        exit(0);
    }
    forked = bench_now(CLOCK_MONOTONIC) - start;
    if (waitpid(child, NULL, 0) != child)
        bench_fail("wait for the child");
    printf("%.1f %.1f\n", forked / 1e3, (bench_now(CLOCK_MONOTONIC) - *exit_began) / 1e3);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int byte;

    if (argc != 2)
        bench_usage("COUNT");
    bench_allow_many_files();
    exit_began =
        mmap(NULL, sizeof(*exit_began), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (exit_began == MAP_FAILED)
        bench_fail("get memory");
    open_connections(bench_number(argv[1]));
    printf("ready\n");
    fflush(stdout);
    while ((byte = getchar()) != EOF)
        if (byte == '\n')
            fork_once();
    /* Sixteen thousand connections need not be judged now. */
    _exit(0);
}
