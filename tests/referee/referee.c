/* What the referee is told, who plays, and what comes of it. See referee.h. */
#define _GNU_SOURCE
#include "options.h"
#include "referee.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* From the command line; the workers only read it. */
static struct {
    long long first, count, jobs, mismatches_max;
    bool modes[RUN_MODES];
    bool verbose, beyond, by_counters, strict, race;
} options = {.first = 1, .count = 1000, .mismatches_max = 5};

enum { STATES = 12, REASONS = 4 };

/* Shared by the workers. */
struct totals {
    _Atomic long next; /* which scenario is played next */
    _Atomic long played;
    _Atomic long mismatches;
    _Atomic long unproven; /* owners that the library had to look for, and did not find in time */
    _Atomic long gaps;     /* what the library is known not to do yet */
    _Atomic long raced;    /* closes whose end depended on what came meanwhile */
    _Atomic long states[STATES];
    _Atomic long reasons[REASONS];
    _Atomic long held;
    _Atomic long closes; /* told of, under log */
    _Atomic long confirmed;
    _Atomic long later;
    _Atomic long lingered;
    _Atomic long late; /* of those, how many were sent more */
    _Atomic bool traced;
};

static struct totals *totals;

static const char usage[] =
    "usage: referee [OPTION...]\n"
    "  --count N      play N scenarios (1000)\n"
    "  --first SEED   the first one's seed (1); each has a seed one higher\n"
    "  --fresh        start somewhere new\n"
    "  --seed SEED    play this one, and tell what happens\n"
    "  --mode MODE    log, drain, linger or all (all): log plays each without the library too\n"
    "  --jobs N       so many at a time (as many as there are processors)\n"
    "  --stop N       give up after N mismatches (5)\n"
    "  --beyond       also what the library is known not to see\n"
    "  --strict       known gaps of the library count as mismatches\n"
    "  --counters     believe the kernel's counters, as without root, instead of its tracepoint\n"
    "  --race         instead: how often the log is wrong when data comes during a close\n"
    "LIBSAFECLOSE names the library.\n";

/* ---- One scenario ---------------------------------------------------------------------------- */

/* A worker's stages, opened when needed: by mode, by which closes are logged, and by setting. */
struct stages {
    struct place place;
    struct stage *stage[RUN_MODES][2][SETTING_COUNT];
};

static struct stage *stage_for(struct stages *stages, enum run_mode mode, const struct scenario *s)
{
    bool resets_only = mode != RUN_BARE && s->resets_only;
    struct stage **stage = &stages->stage[mode][resets_only][s->setting];

    if (!*stage)
        *stage = stage_open(mode, resets_only, s->setting, &stages->place);
    if (!*stage)
        exit(2);
    return *stage;
}

static const char *const mode_names[RUN_MODES] = {"without the library", "log", "drain", "linger"};

static void tell_run(const struct run *run)
{
    char words[2048];

    run_words(run, words, sizeof words);
    printf("%s:\n%s", mode_names[run->mode], words);
    if (run->log_size > 0)
        printf("  log:\n%s", run->log);
}

/* In one write, so that workers don't mix their lines. */
static void report(const struct scenario *s, const char *where, const struct complaints *c,
                   const struct run *run)
{
    char text[12288], words[3072], seen[2048];
    int n;

    scenario_words(s, words, sizeof words);
    run_words(run, seen, sizeof seen);
    n = snprintf(
        text, sizeof text, "MISMATCH, seed %llu, %s\n  %s\n%s%s  again: make referee SEED=%llu%s\n",
        (unsigned long long)s->seed, where, words, seen, c->text, (unsigned long long)s->seed,
        options.beyond        ? " OPTIONS=--beyond"
        : options.by_counters ? " OPTIONS=--counters"
        : options.strict      ? " OPTIONS=--strict"
                              : "");
    if (n > 0)
        fwrite(text, 1, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, stdout);
    fflush(stdout);
    atomic_fetch_add(&totals->mismatches, 1);
}

static int reason_index(const char *reason)
{
    if (!reason[0])
        return 0;
    if (strcmp(reason, "TCP_ABORT_ON_CLOSE") == 0)
        return 1;
    return strcmp(reason, "TCP_DISCONNECT_WITH_DATA") == 0 ? 3 : 2;
}

static void count_run(const struct run *run)
{
    atomic_fetch_add(&totals->states[run->scene.ours.state % STATES], 1);
    atomic_fetch_add(&totals->reasons[reason_index(run->witness.reason)], 1);
    atomic_fetch_add(&totals->held, run->held);
    if (run->witness.traced)
        atomic_store(&totals->traced, true);
}

static void count_told(const struct run *run)
{
    struct said said;
    long at = 0;

    while (said_next(run->log, &at, run->log_size, &said)) {
        atomic_fetch_add(&totals->closes, 1);
        atomic_fetch_add(&totals->confirmed, said.confirmed);
    }
    at = 0;
    while (said_next_late(run->log, &at, run->log_size, &said))
        atomic_fetch_add(&totals->later, 1);
}

static void count_lingering(const struct run *run)
{
    struct said end;
    long at = 0;

    atomic_fetch_add(&totals->lingered, said_next_end(run->log, &at, run->log_size, &end));
    atomic_fetch_add(&totals->late, run->late > 0);
}

static void judge_mode(struct stages *stages, const struct scenario *s, enum run_mode mode,
                       struct run *run)
{
    struct complaints c = {.text = "", .strict = options.strict};

    run_scenario(stage_for(stages, mode, s), s, run);
    if (options.verbose)
        tell_run(run);
    judge_run(run, &c);
    count_lingering(run);
    if (mode == RUN_LOG)
        count_told(run);
    atomic_fetch_add(&totals->unproven, c.unproven);
    atomic_fetch_add(&totals->raced, c.raced);
    atomic_fetch_add(&totals->gaps, c.gap);
    if (c.count)
        report(s, mode_names[mode], &c, run);
}

/*
 * With the library and without it everything must be the same. A timer of the kernel's may send the
 * last segment before the close in one run and after it in the other, so that already the state
 * before the close differs: then both are played again. A library that made the difference would
 * make it each time.
 */
static void compare(struct stages *stages, const struct scenario *s, struct run runs[])
{
    for (int left = 3; left > 0; left--) {
        struct complaints c = {.text = ""};

        judge_same(&runs[RUN_BARE], &runs[RUN_LOG], &c);
        if (c.count == 0)
            return;
        if (left == 1 || runs[RUN_BARE].scene.ours.state == runs[RUN_LOG].scene.ours.state) {
            report(s, "log differs from a run without the library", &c, &runs[RUN_LOG]);
            return;
        }
        run_scenario(stage_for(stages, RUN_BARE, s), s, &runs[RUN_BARE]);
        run_scenario(stage_for(stages, RUN_LOG, s), s, &runs[RUN_LOG]);
    }
}

static void play(struct stages *stages, uint64_t seed)
{
    static struct run runs[RUN_MODES];
    struct scenario s;

    scenario_draw(&s, seed, options.beyond);
    if (options.verbose) {
        char words[3072];
        scenario_words(&s, words, sizeof words);
        printf("seed %llu: %s\n", (unsigned long long)seed, words);
    }
    for (enum run_mode mode = RUN_BARE; mode < RUN_MODES; mode++)
        if (options.modes[mode])
            judge_mode(stages, &s, mode, &runs[mode]);
    if (options.modes[RUN_BARE] && options.modes[RUN_LOG])
        compare(stages, &s, runs);
    count_run(&runs[options.modes[RUN_LOG]     ? RUN_LOG
                    : options.modes[RUN_DRAIN] ? RUN_DRAIN
                                               : RUN_LINGER]);
    atomic_fetch_add(&totals->played, 1);
}

/* ---- Workers --------------------------------------------------------------------------------- */

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "referee: unable to %s: %s\n", what, strerror(errno));
    exit(2);
}

/* The peer and the program take turns: on one processor that costs no waking of another. number: of
 * the worker. */
static void settle_down(int number)
{
    cpu_set_t all, one;
    int which = 0;

    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    for (number %= CPU_COUNT(&all); number > 0 || !CPU_ISSET((size_t)which, &all); which++)
        number -= CPU_ISSET((size_t)which, &all);
    CPU_ZERO(&one);
    CPU_SET((size_t)which, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static void work(void)
{
    struct stages stages = {.stage = {{{NULL}}}};
    const char *no_trace = NULL;
    long number;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    stream_prepare();
    if (place_enter(&stages.place) != 0)
        fail("enter a network namespace");
    if (!options.by_counters)
        no_trace = net_trace_start();
    if (no_trace && options.verbose)
        printf("no tracepoint: %s\n", no_trace);
    while ((number = atomic_fetch_add(&totals->next, 1)) < options.count &&
           atomic_load(&totals->mismatches) < options.mismatches_max)
        play(&stages, (uint64_t)(options.first + number));
    for (int mode = 0; mode < RUN_MODES; mode++)
        for (int events = 0; events < 2; events++)
            for (int setting = 0; setting < SETTING_COUNT; setting++)
                if (stages.stage[mode][events][setting])
                    stage_close(stages.stage[mode][events][setting]);
    net_trace_stop();
}

/* The number of workers that failed. */
static int work_together(void)
{
    int failed = 0, status;

    fflush(stdout);
    for (int i = 0; i < options.jobs; i++) {
        pid_t pid = fork();

        if (pid < 0)
            fail("fork");
        if (pid == 0) {
            settle_down(i);
            work();
            exit(0);
        }
    }
    while (wait(&status) > 0 || errno == EINTR)
        failed += status != 0;
    return failed;
}

static void tell_coverage(void)
{
    static const char *const states[STATES] = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                               "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                               "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    static const char *const reasons[REASONS] = {"no reset", "TCP_ABORT_ON_CLOSE", "TCP_STATE",
                                                 "TCP_DISCONNECT_WITH_DATA"};

    printf("closed in");
    for (int i = 1; i < STATES; i++)
        if (totals->states[i])
            printf(" %s %ld", states[i], atomic_load(&totals->states[i]));
    printf("; kernel:");
    for (int i = 0; i < REASONS; i++)
        printf(" %s %ld", reasons[i], atomic_load(&totals->reasons[i]));
    printf("; held by another %ld", atomic_load(&totals->held));
    if (options.modes[RUN_LOG])
        printf("; told under log %ld, confirmed %ld, reset later %ld", atomic_load(&totals->closes),
               atomic_load(&totals->confirmed), atomic_load(&totals->later));
    if (options.modes[RUN_LINGER])
        printf("; lingered %ld, sent late data %ld", atomic_load(&totals->lingered),
               atomic_load(&totals->late));
    printf("\n");
}

static int tell_result(double seconds, int failed)
{
    long played = atomic_load(&totals->played), mismatches = atomic_load(&totals->mismatches);

    tell_coverage();
    printf("witnesses: the peer, the kernel's counters%s\n",
           totals->traced ? ", the tracepoint's reason" : "");
    if (totals->unproven)
        printf("%ld times the library looked for another holder and said it can't tell\n",
               atomic_load(&totals->unproven));
    if (totals->gaps)
        printf("%ld times a known gap of the library, not judged (but by --strict)\n",
               atomic_load(&totals->gaps));
    if (totals->raced)
        printf(
            "%ld times the peer had more to send, and how the close ended depended on it: not judged\n",
            atomic_load(&totals->raced));
    printf("%ld scenarios from seed %lld in %.1f s (%.0f a second): %ld mismatches\n", played,
           options.first, seconds, (double)played / seconds, mismatches);
    if (failed)
        printf("%d workers failed\n", failed);
    return mismatches || failed || played == 0;
}

/* ---- The command line ------------------------------------------------------------------------ */

static void set_modes(const char *mode)
{
    bool all = strcmp(mode, "all") == 0;

    options.modes[RUN_LOG] = all || strcmp(mode, "log") == 0;
    options.modes[RUN_BARE] = options.modes[RUN_LOG];
    options.modes[RUN_DRAIN] = all || strcmp(mode, "drain") == 0;
    options.modes[RUN_LINGER] = all || strcmp(mode, "linger") == 0;
    if (!options.modes[RUN_LOG] && !options.modes[RUN_DRAIN] && !options.modes[RUN_LINGER])
        options_refuse("--mode is log, drain, linger or all", usage);
}

static void start_anywhere(void)
{
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) < 0)
        fail("get a random number");
    options.first = (long long)(number >> 24); /* short enough to be typed */
}

static void parse(int argc, char **argv)
{
    const char *mode = "all";
    long long seed = -1;
    bool fresh = false;
    const struct option_row rows[] = {
        {"--count", .number = &options.count, .most = LONG_MAX},
        {"--first", .number = &options.first, .most = LLONG_MAX},
        {"--fresh", .flag = &fresh},
        {"--seed", .number = &seed, .most = LLONG_MAX},
        {"--mode", .text = &mode},
        {"--jobs", .number = &options.jobs, .least = 1, .most = 1000},
        {"--stop", .number = &options.mismatches_max, .most = LONG_MAX},
        {"--beyond", .flag = &options.beyond},
        {"--strict", .flag = &options.strict},
        {"--counters", .flag = &options.by_counters},
        {"--race", .flag = &options.race},
        {.name = NULL},
    };

    options.jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (options_read(argc, argv, rows, usage) != argc)
        options_refuse("arguments are not expected", usage);
    set_modes(mode);
    if (fresh)
        start_anywhere();
    if (seed >= 0) {
        options.first = seed;
        options.count = options.jobs = 1;
        options.verbose = true;
    }
    options_need_library(usage);
}

static int run_race(void)
{
    struct place place;
    const char *no_trace;

    if (place_enter(&place) != 0)
        fail("enter a network namespace");
    no_trace = net_trace_start();
    if (no_trace) {
        printf("the race is judged by the tracepoint, and there is none: %s\n", no_trace);
        return 0;
    }
    return race((int)options.count, &place);
}

int main(int argc, char **argv)
{
    long start;
    int failed;

    if (argc == 2 && strcmp(argv[1], "--program") == 0)
        return program_main();
    if (argc == 4 && strcmp(argv[1], "--holder") == 0)
        return holder_main(atoi(argv[2]), *argv[3] == '1');
    parse(argc, argv);
    if (options.race)
        return run_race();
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED)
        fail("get memory");
    start = net_now_ms();
    failed = work_together();
    return tell_result((double)(net_now_ms() - start) / 1000, failed);
}
