/*
 * What safeclose watch does when there is more than it can follow: it neither hangs nor makes matters worse.
 */
#include "test.h"
#include "trace/monotonic.h"
#include "trace/trace.h"

#include <unistd.h>

/* ---- What watch reads is played here; its command is not ours ---------------------------------------- */

static struct {
    int64_t until; /* events come that long */
    unsigned counted;
} played;

static bool played_next(struct trace_event *event)
{
    int64_t now = monotonic_now();

    *event = (struct trace_event){.kind = TRACE_RENAMED, .time = now, .path = ""};
    return now < played.until;
}

static void played_counts(struct trace_counts *counts)
{
    *counts = (struct trace_counts){.lost = 0};
    played.counted++;
}

#define trace_next(trace, event) ((void)(trace), played_next(event))
#define trace_counts(trace, counts) ((void)(trace), played_counts(counts))
#define watch_command played_command
#define watch_help played_help
#include "watch.c"

/* ---- Events that don't end -------------------------------------------------------------------------- */

TEST(events_without_end_keep_it_from_neither_counts_nor_time)
{
    struct watching w = {.options.time = 0};

    alarm(5);
    played.until = INT64_MAX;
    assert_false(drain(&w, NULL));
    played.counted = 0;
    played.until = monotonic_now() + 3 * TURN;
    assert_true(drain_rest(&w, NULL));
    assert_true(played.counted > 1);
    alarm(0);
}

/* ---- What is known of processes -------------------------------------------------------------------- */

TEST(what_is_forgotten_is_read_once_it_is_asked_for_and_not_all_at_once)
{
    watched_begin();
    assert_int_equal(watched_parent(getpid()), getppid());
    watched_forget();
    assert_int_equal(watched_parent(getpid()), 0);
    assert_int_equal(watched_identity(getpid())->parent, getppid());
    assert_non_null(watched_mappings(getpid()));
}

TEST(while_records_of_processes_are_lost_they_are_forgotten_once_a_second)
{
    struct watching w = {.lost_processes = 0};

    watched_identity(getpid());
    forget_processes(&w, 1, 10 * WATCH_SECOND);
    assert_int_equal(watched_parent(getpid()), 0);
    watched_identity(getpid());
    forget_processes(&w, 2, 10 * WATCH_SECOND + 1);
    assert_int_equal(watched_parent(getpid()), getppid());
    forget_processes(&w, 2, 11 * WATCH_SECOND);
    assert_int_equal(watched_parent(getpid()), 0);
}

TEST_MAIN()
