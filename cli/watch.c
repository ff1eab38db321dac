/* safeclose watch: what to look at, and for how long. */
#include "cli.h"
#include "trace/kernel_names.h"
#include "trace/monotonic.h"
#include "trace/trace.h"
#include "watch/log.h"
#include "watch/rate.h"
#include "watch/tell.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Of what is frequent less: copying 4 kB at each close costs a busy server a tenth of its time. */
#define STACK_OF_RESET 4096
#define STACK_OF_CLOSE 2048
#define WAIT_MS 20
#define TURN 20000000LL /* ns */

/* ---- The loop ------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* A signal ends the wait, too: no call is begun again. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a write that fails ends the loop */
}

/* What is known of processes may be wrong once their records are lost. To read it anew takes time, in which more may be
 * lost: so this is done once a second at most. */
static void forget_processes(struct watching *w, uint64_t lost, int64_t now)
{
    if (lost == w->lost_processes || now - w->forgotten < WATCH_SECOND)
        return;
    watched_forget();
    w->lost_processes = lost;
    w->forgotten = now;
}

static void check_counts(struct watching *w, struct trace *trace)
{
    struct trace_counts counts;
    int64_t now = monotonic_now();

    trace_counts(trace, &counts);
    forget_processes(w, counts.lost_processes, now);
    w->totals.lost = counts.lost;
    w->totals.lost_by_kind = counts.lost_by_kind;
    w->totals.lost_resets = counts.lost_resets;
    if (!w->options.pid && !w->options.ports.port_ranges) {
        w->totals.sent = counts.happened[TRACE_SENT];
        w->totals.received = counts.happened[TRACE_RECEIVED];
    }
    watch_rate_adjust(trace, &counts, now);
    for (enum trace_kind kind = 0; kind < TRACE_POINTS; kind++)
        w->totals.sampled |= watch_rate_period(kind) > 1;
}

/* Takes events for one turn at most: if they come faster than we read them, the counts, the time and the signals still
 * have to be looked at. False if there are more. */
static bool drain(struct watching *w, struct trace *trace)
{
    int64_t end = monotonic_now() + TURN;
    struct trace_event event;

    while (trace_next(trace, &event)) {
        watch_tell(w, &event);
        watch_tell_held(w, event.time - WATCH_HELD_FOR);
        if (monotonic_now() > end)
            return false;
    }
    watch_tell_held(w, monotonic_now() - 2 * WATCH_HELD_FOR);
    return true;
}

/* False if it can't be written. */
static bool take_turn(struct watching *w, struct trace *trace, bool *all)
{
    *all = drain(w, trace);
    check_counts(w, trace);
    return fflush(stdout) == 0;
}

/* Takes what was recorded before the end, unless another signal comes: there may be much. One within a second is the same
 * wish: timeout(1) sends two. */
static bool drain_rest(struct watching *w, struct trace *trace)
{
    int64_t begin = monotonic_now();
    bool all = false, ok = true;

    stopped = 0;
    while (!all && ok && (!stopped || monotonic_now() - begin < WATCH_SECOND))
        ok = take_turn(w, trace, &all);
    return ok;
}

static int watch(struct watching *w, struct trace *trace)
{
    int64_t begin = monotonic_now(), end = begin + w->options.time;
    bool all = true, ok = true;

    while (ok && !stopped && (!w->options.time || monotonic_now() < end)) {
        if (all)
            trace_wait(trace, WAIT_MS);
        ok = take_turn(w, trace, &all);
    }
    trace_stop(trace);
    ok = ok && drain_rest(w, trace);
    watch_tell_held(w, INT64_MAX);
    w->totals.time = monotonic_now() - begin;
    if (w->options.json)
        watch_summary_json(&w->totals, monotonic_to_day(monotonic_now()));
    else
        watch_summary_text(&w->totals);
    return ok && printed() ? 0 : STATUS_FAILED;
}

/* ---- Beginning ----------------------------------------------------------------------------------- */

/* The kernel gives the processes of the first namespace and its own this number. */
#define FIRST_PID_NAMESPACE 0xeffffffcU

static bool sees_all_processes(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) != 0 || st.st_ino == FIRST_PID_NAMESPACE;
}

static void say_begin(const struct watching *w, const struct trace *trace)
{
    fprintf(
        stderr,
        "safeclose: watching the TCP resets that this machine sends%s, in all its network namespaces%s\n",
        w->options.received ? " and receives" : "", w->options.time ? "" : "; Ctrl-C ends it");
    if (!sees_all_processes())
        fputs("safeclose: this is a container: processes outside it are not named\n", stderr);
    if (trace_refused(trace))
        fprintf(
            stderr,
            "safeclose: perf_event_open is refused (%s): tracefs is read instead; stacks lack the "
            "callers of libc's functions\n",
            trace_refused(trace));
    if (!trace_has_reasons(trace))
        fputs(
            "safeclose: this kernel gives no reason (Linux 6.10 does): reasons are inferred, and resets "
            "without a connection not seen\n",
            stderr);
}

/* Each CPU has its events, and each library that is seen stays open. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static struct trace *trace; /* written by begin */

/* Its instance of tracefs stays otherwise. */
static void close_trace(void)
{
    trace_close(trace);
}

static int begin(struct watching *w)
{
    char *filter = watch_options_filter(&w->options);

    catch_signals();
    if (w->options.log && !watch_log_open(w->options.log)) {
        free(filter);
        return STATUS_FAILED;
    }
    raise_limit();
    /* Where everybody is busy the rings fill within a tenth of a second. Without the right it stays as it is. */
    setpriority(PRIO_PROCESS, 0, -10);
    trace = trace_open(&(struct trace_options){
        .received = w->options.received,
        .state_filter = filter,
        .stack = {[TRACE_SENT] = STACK_OF_RESET, [TRACE_STATE] = STACK_OF_CLOSE}});
    free(filter);
    if (!trace)
        return STATUS_FAILED;
    atexit(close_trace);
    if (!kernel_names_read())
        fputs(
            "safeclose: /proc/kallsyms shows no addresses (kernel.kptr_restrict): a half-close can't be told from a close\n",
            stderr);
    watched_begin();
    trace_start(trace);
    say_begin(w, trace);
    return watch(w, trace);
}

void watch_help(FILE *to)
{
    fputs(
        "usage: safeclose watch [--pid PID] [--ports LIST] [--for DURATION] [--received]\n"
        "                       [--log FILE] [--json]\n"
        "Shows each TCP reset that this machine sends: when, on which connection, the kernel's reason, the\n"
        "process, and the functions that closed it. Programs are neither restarted nor changed: static,\n"
        "Go and setuid programs and those in containers are seen, too. Needs root.\n\n"
        "  --pid PID       only resets of this process and its children\n"
        "  --ports LIST    only connections with one of these ports at either end: 80,8000-8099\n"
        "  --for DURATION  end after this time, such as 30s or 10m; otherwise at Ctrl-C\n"
        "  --received      resets that came in, too\n"
        "  --log FILE      add what the library's log in JSON knows of the same close\n"
        "  --json          one JSON object a line instead of text\n"
        "  -h, --help      print this help\n\n"
        "Exit status: 0; 125 if safeclose itself fails, for example without the rights.\n",
        to);
}

int watch_command(int argc, char **argv)
{
    static struct watching w;

    if (!watch_options_read(&w.options, argc, argv))
        return STATUS_FAILED;
    if (w.options.help) {
        watch_help(stdout);
        return printed() ? 0 : STATUS_FAILED;
    }
    return begin(&w);
}
