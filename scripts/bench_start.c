/*
 * How long a program takes to start and end: without anything, with an empty preloaded library, with
 * the library; the three take turns. Prints the least of each, us.
 */
#include "bench.h"

#include <spawn.h>

extern char **environ;

static double start_once(char **command, char **environment)
{
    double start = bench_now(CLOCK_MONOTONIC);
    int status;
    pid_t child;

    errno = posix_spawn(&child, command[0], NULL, NULL, command, environment);
    if (errno)
        bench_fail("start the program");
    if (waitpid(child, &status, 0) != child || status) {
        errno = ECHILD;
        bench_fail("see the program succeed");
    }
    return bench_now(CLOCK_MONOTONIC) - start;
}

int main(int argc, char **argv)
{
    char *with[2], *bare[] = {NULL}, *preload[2][2] = {{NULL}};
    double least[3] = {0, 0, 0};
    long count;

    if (argc < 5)
        bench_usage("COUNT EMPTY-LIBRARY LIBRARY COMMAND...");
    count = bench_number(argv[1]);
    for (int i = 0; i < 2; i++) {
        if (asprintf(&with[i], "LD_PRELOAD=%s", argv[2 + i]) < 0)
            bench_fail("get memory");
        preload[i][0] = with[i];
    }
    for (long i = 0; i < count; i++) {
        bench_keep_least(&least[0], start_once(argv + 4, bare));
        bench_keep_least(&least[1], start_once(argv + 4, preload[0]));
        bench_keep_least(&least[2], start_once(argv + 4, preload[1]));
    }
    printf("%.1f %.1f %.1f\n", least[0] / 1e3, least[1] / 1e3, least[2] / 1e3);
    free(with[0]);
    free(with[1]);
    return 0;
}
