/*
 * What the kernel_facts_* programs share. Each test pins one line of design.md, section 4, that the
 * library's code leans on, and quotes it (design_says) before it looks: when a newer kernel behaves
 * differently, the failure names the line that is no longer true.
 *
 * The witnesses are the peer's read, the TCP counters of a network namespace of our own, and where
 * it may be had the reason at the tracepoint tcp:tcp_send_reset; facts_main() says which are in
 * use.
 */
#ifndef SAFECLOSE_TESTS_KERNEL_FACTS_H
#define SAFECLOSE_TESTS_KERNEL_FACTS_H

#include "net.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each set by the main thread only. */
static const char *fact_line;    /* what design_says() quoted */
static const char *no_namespace; /* why there are no exact counters, NULL when there are */

#define design_says(line) ((void)(fact_line = (line)))

/* Fails the test unless CONDITION holds. */
#define fact(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("no longer true: \"%s\"\n    not so: %s", fact_line, #condition);             \
    } while (0)

/* Fails the test unless two numbers are equal. */
#define fact_is(got, wanted)                                                                       \
    do {                                                                                           \
        long fact_got = (got), fact_wanted = (wanted);                                             \
        if (fact_got != fact_wanted)                                                               \
            fail_msg("no longer true: \"%s\"\n    %s is %ld, not %ld", fact_line, #got, fact_got,  \
                     fact_wanted);                                                                 \
    } while (0)

/* A step that must work for the test to mean anything; says nothing about the design. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("unable to set the test up: %s: %s", #condition, strerror(errno));            \
    } while (0)

/* One for each test: what an earlier one left behind may still retransmit, and be reset for it. */
static inline int fresh_namespace(void **state)
{
    (void)state;
    no_namespace = net_enter_namespace() == 0 ? NULL : strerror(errno);
    return 0;
}

/* The head of a test whose name is a sentence; and one more test by the same function, ARGUMENT being
 * what *state points to. */
#define FACT(function, sentence) TEST_NAMED(sentence, function, fresh_namespace, NULL, NULL)
#define FACT_OF(sentence, function, argument)                                                      \
    LISTED(struct CMUnitTest, test_list, sentence, function, fresh_namespace, NULL, argument)

/* ---- Steps ----------------------------------------------------------------------------------- */

/* For tests that compare counters: without a namespace others' connections would count too. */
static inline void need_counters(void)
{
    if (no_namespace)
        skip();
}

/* A pair that is closed where the test ends. */
#define SCOPED_PAIR __attribute__((cleanup(net_pair_close))) struct net_pair

static inline struct net_pair connected(const struct net_options *options)
{
    struct net_pair pair;

    need_counters();
    must(net_pair_open(&pair, options) == 0);
    return pair;
}

/* Our end has a full send queue, and a peer whose window is closed. */
static inline struct net_pair connected_with_output_waiting(void)
{
    const struct net_options small = {.our_send_buffer = 8192, .peer_receive_buffer = 4096};
    struct net_pair pair = connected(&small);

    must(net_fill(pair.ours) > 0);
    return pair;
}

/* The peer sends TEXT, which has arrived at our end when this returns. With MSG_OOB in FLAGS its
 * last byte is urgent. */
static inline void peer_sends_with(const struct net_pair *pair, const char *text, int flags)
{
    int expected = net_received(pair->ours) + (int)strlen(text);

    must(send(pair->peer, text, strlen(text), flags | MSG_NOSIGNAL) == (ssize_t)strlen(text));
    must(net_wait_for(net_received, pair->ours, expected));
}

static inline void peer_sends(const struct net_pair *pair, const char *text)
{
    peer_sends_with(pair, text, 0);
}

/* For a peer that still retransmits what our end was kept from hearing: TIME_WAIT has no filter,
 * and would answer with a reset. A FIN_WAIT2 of more than 60 seconds is spent as a socket first. */
static inline void put_time_wait_off(const struct net_pair *pair)
{
    int seconds = 61;

    must(setsockopt(pair->ours, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof seconds) == 0);
}

/* ---- What a close is expected to send -------------------------------------------------------- */

struct fate {
    bool reset;
    int on_close; /* how much TCPAbortOnClose grows */
    int on_data;  /* likewise TCPAbortOnData */
    const char *reason;
};

static const struct fate sends_no_reset = {false, 0, 0, ""};
static const struct fate resets_for_unread = {true, 1, 0, "TCP_ABORT_ON_CLOSE"};
static const struct fate resets_for_linger = {true, 0, 1, "TCP_STATE"};

/* Compares what has been counted since BEFORE, and the kernel's reason, with FATE. */
static inline void expect_fate(const struct net_pair *pair, struct net_resets before,
                               struct fate fate)
{
    struct net_resets counted = net_resets_since(before);
    const char *reason = net_trace_reason(pair->our_name, pair->peer_name);

    /* Where the peer missed our FIN, its answer to the reset is answered with a second one. */
    fact_is(counted.sent > 0, fate.reset);
    fact_is(counted.on_close, fate.on_close);
    fact_is(counted.on_data, fate.on_data);
    if (reason && strcmp(reason, fate.reason) != 0)
        fail_msg("no longer true: \"%s\"\n    the reason is \"%s\", not \"%s\"", fact_line, reason,
                 fate.reason);
}

/* Closes our end; what the close itself sends is decided, sent and counted when it returns. */
static inline void close_and_expect(struct net_pair *pair, struct fate fate)
{
    struct net_resets before = net_resets_now();

    must(net_close_ours(pair) == 0);
    expect_fate(pair, before, fate);
}

/* The peer's witness to a reset. Once it has read our FIN no read tells: SO_ERROR does. */
static inline void expect_peer_reset(const struct net_pair *pair)
{
    must(net_wait_for(net_state, pair->peer, TCP_CLOSE));
    struct net_end end = net_read_to_end(pair->peer);

    if (end.error != ECONNRESET && end.pending != EPIPE)
        fail_msg("no longer true: \"%s\"\n    the peer read %s after %ld bytes", fact_line,
                 net_end_text(end.error), end.bytes);
}

/* The peer's witness to a FIN, after BYTES of ours. */
static inline void expect_peer_eof(const struct net_pair *pair, long bytes)
{
    struct net_end end = net_read_to_end(pair->peer);

    if (end.error != 0 || end.bytes != bytes)
        fail_msg("no longer true: \"%s\"\n    the peer read %s after %ld bytes, not EOF after %ld",
                 fact_line, net_end_text(end.error), end.bytes, bytes);
}

/* The status of child process PID, once it has ended. */
static inline int wait_child(pid_t pid)
{
    int status = -1;

    must(waitpid(pid, &status, 0) == pid);
    return status;
}

/* A child that has all that is open until HOLD[1] is closed. */
static inline pid_t fork_holder(int hold[2])
{
    char byte;

    must(pipe(hold) == 0);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(hold[1]);
        _exit(read(hold[0], &byte, 1) != 0);
    }
    return child;
}

/* ---- Running --------------------------------------------------------------------------------- */

static inline void say_witnesses(void)
{
    fresh_namespace(NULL);
    const char *no_trace = net_trace_start();

    if (no_namespace)
        printf("# no network namespace (%s): tests that count are skipped\n", no_namespace);
    else
        printf("# witnesses: the peer's read, the counters of an own network namespace%s%s\n",
               no_trace ? "; no tracepoint: " : ", the tracepoint's reason",
               no_trace ? no_trace : "");
    fflush(stdout);
}

#define facts_main()                                                                               \
    int main(void)                                                                                 \
    {                                                                                              \
        say_witnesses();                                                                           \
        return cmocka_run_group_tests(test_list, NULL, NULL);                                      \
    }

#endif
