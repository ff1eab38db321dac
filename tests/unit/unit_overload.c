/*
 * What safeclose watch does when there is more than it can follow: it neither hangs nor makes matters worse.
 */
#include "test.h"
#include "trace/monotonic.h"
#include "trace/trace.h"

#include <unistd.h>

/* ---- What watch reads is played here; its command is not ours ---------------------------------------- */

static struct {
    unsigned counted; /* how often the counts were asked for */
    unsigned until;   /* events come until they were that often */
} played;

static bool played_next(struct trace_event *event)
{
    *event = (struct trace_event){.kind = TRACE_RENAMED, .time = monotonic_now(), .path = ""};
    return played.counted < played.until;
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
#include "watch/closings.h"

/* ---- Events that don't end -------------------------------------------------------------------------- */

TEST(events_without_end_keep_it_from_neither_counts_nor_time)
{
    struct watching w = {.options.time = 0};

    alarm(5);
    played.until = 3;
    assert_false(drain(&w, NULL));
    assert_true(drain_rest(&w, NULL));
    assert_int_equal(played.counted, 4);
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

/* ---- Peers that choose their addresses ------------------------------------------------------------- */

#define PRIME 16777619U /* of FNV-1a, which anybody can compute */

static uint32_t fnv(uint32_t hash, uint32_t bits)
{
    return (hash ^ bits) * PRIME;
}

static uint32_t fnv_of(const struct endpoint *local, const struct endpoint *peer)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < sizeof(local->address); i++)
        hash = fnv(hash, local->address[i] ^ (uint32_t)peer->address[i] << 8);
    return fnv(hash, local->port);
}

/* By the upper half of a hash, the lower half with which its folded product is 0; 0: none. */
static void find_ports(uint16_t ports[65536])
{
    uint32_t inverse = PRIME;

    for (unsigned i = 0; i < 5; i++)
        inverse *= 2 - PRIME * inverse;
    for (uint32_t half = 0; half < 65536; half++) {
        uint32_t hash = (half << 16 | half) * inverse;

        ports[hash >> 16] = (uint16_t)hash;
    }
}

TEST(a_network_of_peers_that_fnv_puts_into_one_chain_is_found_as_fast)
{
    static uint16_t ports[65536];
    struct trace_event event = {.time = 1, .local.port = 443};
    const struct closing *last = NULL;

    alarm(5);
    find_ports(ports);
    for (uint32_t i = 0, hash; i < 100000; i++) {
        memcpy(event.peer.address + 12, &i, sizeof(i));
        hash = fnv_of(&event.local, &event.peer);
        event.peer.port = (uint16_t)hash ^ ports[hash >> 16];
        last = closings_add(&event);
    }
    assert_ptr_equal(closings_find(&event.local, &event.peer, 1), last);
    alarm(0);
}

TEST_MAIN()
