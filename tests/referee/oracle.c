/* What the oracle is told, and what it says. See oracle.h. */
#define _GNU_SOURCE
#include "oracle.h"

#include "net.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct board *board;

static struct {
    long long seed, first, count, again, threads, busy, seconds, stop, patience_ms;
    const char *mode, *examine;
    bool row;
} options = {.seed = 1,
             .count = 1000,
             .again = 1,
             .mode = "drain",
             .threads = 4,
             .stop = 10,
             .patience_ms = 10000};

static const char usage[] =
    "usage: oracle [OPTION...]\n"
    "  --seed N      what is drawn (1)\n"
    "  --first N     the index of the first connection (0)\n"
    "  --count N     so many (1000)\n"
    "  --again N     each of them so often (1)\n"
    "  --mode MODE   bare, log, drain or linger (drain)\n"
    "  --threads N   of the server that accept (4)\n"
    "  --busy N      processes that compute beside it (0)\n"
    "  --seconds N   begin nothing new after so long, and say where to go on\n"
    "  --stop N      after so many faults (10)\n"
    "  --patience MS what nobody waits for longer (10000)\n"
    "  --examine COMMAND   run it while somebody hangs\n"
    "  --row         a row of a Markdown table instead of the result\n"
    "LIBSAFECLOSE names the library. Exit status 1 where there is a fault that counts.\n";

/* Written by the clients' threads. */
static struct {
    _Atomic long played[KIND_COUNT];
    _Atomic long robbed[KIND_COUNT];
    _Atomic long cut[KIND_COUNT];
    _Atomic long undone[KIND_COUNT];
    _Atomic long hung[KIND_COUNT];
    _Atomic long mended[KIND_COUNT];
    _Atomic long left[KIND_COUNT];
    _Atomic long faults; /* all of them */
    _Atomic long counted;
    _Atomic long crashed;
} totals;

static char self[4096];

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "oracle: unable to %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- A generation ---------------------------------------------------------------------------- */

void board_scenario(struct scenario *s, int slot)
{
    scenario_draw(s, board->seed,
                  board->first + (uint64_t)((board->position + slot) / board->again));
}

static void report(const struct scenario *s, const char *what, const char *why)
{
    char words[512];

    scenario_words(s, words, sizeof words);
    printf(
        "%s%s, index %llu, %s, %lld threads: %s\n  %s\n"
        "  again: oracle --seed %lld --first %llu --count 1 --again 2000 --mode %s --threads %lld\n",
        what, kind_is_call(s->kind) ? " (call)" : "", (unsigned long long)s->index, options.mode,
        options.threads, why, words, options.seed, (unsigned long long)s->index, options.mode,
        options.threads);
    fflush(stdout);
}

static void count(const struct scenario *s, const struct verdict *v)
{
    const char *what = v->robbed   ? "ROBBED"
                       : v->cut    ? "CUT"
                       : v->undone ? "UNDONE"
                       : v->hung   ? "HUNG"
                                   : NULL;

    totals.played[s->kind]++;
    totals.robbed[s->kind] += v->robbed;
    totals.cut[s->kind] += v->cut;
    totals.undone[s->kind] += v->undone;
    totals.hung[s->kind] += v->hung;
    totals.mended[s->kind] += v->mended;
    totals.left[s->kind] += v->left;
    if (what) {
        totals.counted += !kind_is_call(s->kind);
        totals.faults++;
        if (totals.faults <= options.stop)
            report(s, what, v->why);
        if (v->hung && options.examine)
            (void)!system(options.examine);
    }
}

static _Atomic int next_slot;

static void *play_clients(void *unused)
{
    struct scenario s;
    struct verdict v;
    int slot;

    while ((slot = next_slot++) < board->count && totals.counted < options.stop) {
        board_scenario(&s, slot);
        client_play(&s, slot, &v);
        count(&s, &v);
    }
    return unused;
}

static void become_server(int board_fd)
{
    const char *library = getenv("LIBSAFECLOSE");

    setsid();
    if (dup2(board_fd, BOARD_FD) < 0 || fcntl(BOARD_FD, F_SETFD, 0) < 0)
        fail("pass the board on");
    if (strcmp(options.mode, "bare") != 0) {
        setenv("LD_PRELOAD", library ? library : "", 1);
        setenv("SAFECLOSE_MODE", options.mode, 1);
        setenv("SAFECLOSE_LOG", "none", 0);
    }
    execl(self, "oracle", "--server", (char *)NULL);
    fail("start the server");
}

static pid_t start_server(int board_fd)
{
    pid_t pid = fork();

    if (pid == 0)
        become_server(board_fd);
    if (pid < 0 || !wait_for(&board->ports[1], 1))
        fail("start the server");
    return pid;
}

/* What ends the server with all its children: a process of its own, so that they end when this one is killed, too. */
struct guard {
    pid_t pid;
    int fd; /* it waits until this is closed */
};

static struct guard start_guard(pid_t server)
{
    struct guard guard;
    int ends[2];
    char byte;

    if (pipe2(ends, O_CLOEXEC) != 0 || (guard.pid = fork()) < 0)
        fail("start a guard");
    if (guard.pid == 0) {
        setsid();
        close(ends[1]);
        (void)!read(ends[0], &byte, 1);
        kill(-server, SIGKILL);
        _exit(0);
    }
    close(ends[0]);
    guard.fd = ends[1];
    return guard;
}

/* Those whose parents have ended are ours. */
static void end_server(pid_t server, struct guard guard)
{
    siginfo_t info = {.si_pid = 0};

    waitid(P_PID, (id_t)server, &info, WEXITED | WNOHANG | WNOWAIT);
    if (info.si_pid == server) {
        fprintf(stderr, "oracle: the server ended by itself, with %d\n", info.si_status);
        totals.crashed++;
    }
    close(guard.fd);
    waitpid(guard.pid, NULL, 0);
    while (waitpid(-server, NULL, 0) > 0 || errno == EINTR)
        ;
    totals.crashed += board->crashed;
}

static void play_generation(long position)
{
    pthread_t threads[64];
    int clients = (int)options.threads + 6;
    long long left = options.count * options.again - position;
    int fd = memfd_create("board", MFD_CLOEXEC);
    struct guard guard;
    pid_t server;

    if (fd < 0 || ftruncate(fd, sizeof *board) != 0)
        fail("get a board");
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (board == MAP_FAILED)
        fail("get a board");
    board->seed = (uint64_t)options.seed;
    board->first = (uint64_t)options.first;
    board->again = (int)options.again;
    board->position = position;
    board->count = left < GENERATION ? (int)left : GENERATION;
    board->threads = (int)options.threads;
    board->patience_ms = (int)options.patience_ms;
    server = start_server(fd);
    guard = start_guard(server);
    next_slot = 0;
    for (int i = 0; i < clients; i++)
        if (pthread_create(&threads[i], NULL, play_clients, NULL) != 0)
            fail("start a thread");
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    end_server(server, guard);
    munmap(board, sizeof *board);
    close(fd);
}

/* ---- The result ------------------------------------------------------------------------------ */

static long sum(const _Atomic long *of, bool calls, bool others)
{
    long all = 0;

    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (kind_is_call((enum kind)kind) ? calls : others)
            all += of[kind];
    return all;
}

static double mended_share(void)
{
    long mended = sum(totals.mended, true, true);
    long all = mended + sum(totals.left, true, true);

    return all ? 100.0 * (double)mended / (double)all : 0;
}

static void tell_kinds(void)
{
    printf("%-28s %8s %7s %7s %7s %7s %7s %7s\n", "holder", "played", "robbed", "cut", "undone",
           "hung", "mended", "left");
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (totals.played[kind])
            printf("%-28s %8ld %7ld %7ld %7ld %7ld %7ld %7ld\n", kind_name((enum kind)kind),
                   totals.played[kind], totals.robbed[kind], totals.cut[kind], totals.undone[kind],
                   totals.hung[kind], totals.mended[kind], totals.left[kind]);
}

static void tell_row(long played, double seconds)
{
    printf("| %s | %lld | %lld | %ld | %ld | %ld | %ld | %ld | %ld, %ld | %.0f %% | %.0f |\n",
           options.mode, options.threads, options.busy, played, sum(totals.robbed, false, true),
           sum(totals.cut, false, true), sum(totals.undone, false, true),
           sum(totals.hung, false, true) + totals.crashed, sum(totals.robbed, true, false),
           sum(totals.cut, true, false), mended_share(), seconds);
}

static int tell(long position, double seconds)
{
    long played = sum(totals.played, true, true);

    if (options.row) {
        tell_row(played, seconds);
    } else {
        tell_kinds();
        printf(
            "%s, %lld threads, %lld busy: %ld connections in %.1f s (%.0f a second), seed %lld from "
            "%lld: %ld robbed, %ld cut, %ld undone, %ld hung, %ld crashed; of calls %ld robbed, %ld "
            "cut; mended %.0f %%\n",
            options.mode, options.threads, options.busy, played, seconds, (double)played / seconds,
            options.seed, options.first, sum(totals.robbed, false, true),
            sum(totals.cut, false, true), sum(totals.undone, false, true),
            sum(totals.hung, true, true), totals.crashed, sum(totals.robbed, true, false),
            sum(totals.cut, true, false), mended_share());
    }
    if (position < options.count * options.again)
        fprintf(options.row ? stderr : stdout, "next: --first %lld\n",
                options.first + position / options.again);
    return totals.counted || totals.crashed || played == 0;
}

/* ---- The command line ------------------------------------------------------------------------ */

static void parse(int argc, char **argv)
{
    const struct option_row rows[] = {
        {"--seed", .number = &options.seed, .most = LLONG_MAX},
        {"--first", .number = &options.first, .most = LLONG_MAX},
        {"--count", .number = &options.count, .most = LONG_MAX},
        {"--again", .number = &options.again, .least = 1, .most = INT_MAX},
        {"--mode", .text = &options.mode},
        {"--threads", .number = &options.threads, .least = 1, .most = 50},
        {"--busy", .number = &options.busy, .most = INT_MAX},
        {"--seconds", .number = &options.seconds, .most = LONG_MAX / 1000},
        {"--stop", .number = &options.stop, .most = LONG_MAX},
        {"--patience", .number = &options.patience_ms, .most = INT_MAX},
        {"--examine", .text = &options.examine},
        {"--row", .flag = &options.row},
        {.name = NULL},
    };

    if (options_read(argc, argv, rows, usage) != argc)
        options_refuse("arguments are not expected", usage);
    if (strcmp(options.mode, "bare") != 0)
        options_need_library(usage);
}

static void start_busy(void)
{
    for (int i = 0; i < options.busy; i++)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                ;
        }
}

/* Thousands of connections are in TIME_WAIT. */
static void widen_ports(void)
{
    int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, "1024 65000", 10);
        close(fd);
    }
}

static void prepare(void)
{
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    if (size < 0)
        fail("find its own file");
    if (net_enter_namespace() != 0)
        fail("enter a network namespace");
    widen_ports();
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    start_busy();
}

int main(int argc, char **argv)
{
    long start, position;

    if (argc == 2 && strcmp(argv[1], "--server") == 0)
        return server_main();
    if (argc > 2 && strcmp(argv[1], "--helper") == 0)
        return helper_main(argc - 2, argv + 2);
    parse(argc, argv);
    if (geteuid() != 0) {
        fprintf(stderr, "oracle: unable to become another user: needs root\n");
        return 2;
    }
    prepare();
    start = net_now_ms();
    for (position = 0; position < options.count * options.again && totals.counted < options.stop;
         position += GENERATION) {
        if (options.seconds && net_now_ms() - start > options.seconds * 1000)
            break;
        play_generation(position);
    }
    return tell(position, (double)(net_now_ms() - start) / 1000);
}
