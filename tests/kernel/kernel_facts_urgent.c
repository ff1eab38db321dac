/* Urgent data: what hides from FIONREAD, and still resets. */
#define _GNU_SOURCE
#include "kernel_facts.h"

#include <limits.h>

static const char hidden[] =
    "It is 0 while the close still resets when the queue holds urgent data";

/* FIONREAD says nothing is unread, the mark says otherwise, and the close agrees with the mark. */
static void expect_hidden_reset(struct net_pair *pair)
{
    fact_is(net_unread(pair->ours), 0);
    fact(net_rmem(pair->ours) > 0);
    design_says("rmem > 0 with FIONREAD 0: SIOCATMARK true means unread, whatever a peek says");
    fact_is(net_at_mark(pair->ours), 1);
    close_and_expect(pair, resets_for_unread);
    expect_peer_reset(pair);
    net_pair_close(pair);
}

FACT(a_lone_urgent_byte, "a lone urgent byte hides from FIONREAD and resets")
{
    design_says(hidden);
    struct net_pair pair = connected(NULL);
    char byte;

    peer_sends_with(&pair, "u", MSG_OOB);
    fact_is(recv(pair.ours, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    fact_is(errno, EAGAIN);
    expect_hidden_reset(&pair);
}

FACT(urgent_data_first_and_more_behind,
     "urgent data with more behind it hides from FIONREAD and resets")
{
    design_says("urgent data first and more behind it (FIONREAD stops at the mark)");
    struct net_pair pair = connected(NULL);

    peer_sends_with(&pair, "u", MSG_OOB);
    peer_sends(&pair, "more");
    expect_hidden_reset(&pair);
}

FACT(an_urgent_byte_consumed_out_of_band, "an urgent byte consumed with MSG_OOB still resets")
{
    design_says("an urgent byte consumed with MSG_OOB");
    struct net_pair pair = connected(NULL);
    char byte;

    peer_sends_with(&pair, "u", MSG_OOB);
    must(recv(pair.ours, &byte, 1, MSG_OOB) == 1);
    fact_is(byte, 'u');
    expect_hidden_reset(&pair);
}

FACT(an_unread_urgent_byte_then_fin,
     "an unread urgent byte then FIN hides from FIONREAD and resets")
{
    design_says("an unread urgent byte followed by FIN");
    struct net_pair pair = connected(NULL);
    char byte;

    peer_sends_with(&pair, "u", MSG_OOB);
    must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    fact_is(recv(pair.ours, &byte, 1, MSG_PEEK | MSG_DONTWAIT), 0);
    expect_hidden_reset(&pair);
}

FACT(urgent_data_in_the_middle, "FIONREAD stops at an urgent byte in the middle")
{
    design_says("FIONREAD stops at the mark");
    struct net_pair pair = connected(NULL);
    char buffer[8];

    peer_sends_with(&pair, "abcU", MSG_OOB);
    peer_sends(&pair, "de");
    fact_is(net_unread(pair.ours), 3);
    fact_is(net_at_mark(pair.ours), 0);
    fact_is(recv(pair.ours, buffer, sizeof buffer, MSG_DONTWAIT), 3);
    expect_hidden_reset(&pair);
}

FACT(a_read_past_the_mark, "a read past the mark leaves nothing unread")
{
    design_says("urgent data makes it stop at the mark, so repeat");
    SCOPED_PAIR pair = connected(NULL);
    char buffer[8];

    peer_sends_with(&pair, "U", MSG_OOB);
    peer_sends(&pair, "de");
    fact_is(recv(pair.ours, buffer, sizeof buffer, MSG_DONTWAIT), 2);
    fact_is(net_at_mark(pair.ours), 0);
    fact_is(net_rmem(pair.ours), 0);
    close_and_expect(&pair, sends_no_reset);
    expect_peer_eof(&pair, 0);
}

FACT(urgent_data_read_inline, "with SO_OOBINLINE FIONREAD counts urgent data too")
{
    design_says("FIONREAD stops at the mark");
    SCOPED_PAIR pair = connected(NULL);
    int yes = 1;

    must(setsockopt(pair.ours, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof yes) == 0);
    peer_sends_with(&pair, "abcU", MSG_OOB);
    peer_sends(&pair, "de");
    fact_is(net_unread(pair.ours), 6);
    close_and_expect(&pair, resets_for_unread);
}

/* The other way round the mark can be wrong: announced, but not here yet, and something out of
 * order queued behind the gap. Nothing then tells this from a lone urgent byte. */
FACT(an_urgent_byte_that_is_still_missing,
     "the mark is true for an urgent byte still missing, which does not reset")
{
    design_says("not a line yet: SIOCATMARK is also true for an announced urgent byte that is "
                "missing");
    const struct net_options small_segments = {.segment_size = 1000};
    SCOPED_PAIR pair = connected(&small_segments);
    char data[1500];
    int segment = 0;
    socklen_t size = sizeof segment;

    must(getsockopt(pair.peer, IPPROTO_TCP, TCP_MAXSEG, &segment, &size) == 0);
    memset(data, 'a', sizeof data);
    data[segment] = NET_MARK; /* the urgent byte, alone in the second segment, which is lost */
    put_time_wait_off(&pair);
    must(net_drop(pair.ours, NET_LOSE_MARKED) == 0);
    must(send(pair.peer, data, segment + 1, MSG_OOB) == segment + 1);
    must(net_wait_for(net_unread, pair.ours, segment));
    must(recv(pair.ours, data, segment, 0) == segment);
    must(send(pair.peer, "behind the gap", 14, 0) == 14);
    must(net_wait_at_least(net_rmem, pair.ours, 1));

    fact_is(net_unread(pair.ours), 0);
    fact_is(net_at_mark(pair.ours), 1);
    close_and_expect(&pair, sends_no_reset);
}

/* ---- All short histories --------------------------------------------------------------------- */

/* Small enough to try every history of this many steps, each letter one of do_step(). */
static const char steps[] = "SUMrROI";
enum { STEPS = 3 };

static void do_step(const struct net_pair *pair, char step, int *in_line)
{
    char buffer[16];

    switch (step) {
    case 'S':
        peer_sends(pair, "ab");
        break;
    case 'U':
        peer_sends_with(pair, "u", MSG_OOB);
        break;
    case 'M':
        peer_sends_with(pair, "xyu", MSG_OOB);
        break;
    case 'r':
        recv(pair->ours, buffer, 1, MSG_DONTWAIT);
        break;
    case 'R':
        recv(pair->ours, buffer, sizeof buffer, MSG_DONTWAIT);
        break;
    case 'O':
        recv(pair->ours, buffer, 1, MSG_OOB | MSG_DONTWAIT);
        break;
    case 'I':
        *in_line = !*in_line;
        setsockopt(pair->ours, SOL_SOCKET, SO_OOBINLINE, in_line, sizeof *in_line);
        break;
    }
}

static void discard_all(int fd)
{
    while (recv(fd, NULL, INT_MAX, MSG_TRUNC | MSG_DONTWAIT) > 0)
        ;
}

/* One history, then perhaps the peer's FIN, then perhaps a drain; the close must do as foretold. */
static void try_history(int listener, const char *history, bool fin, bool drain)
{
    struct net_pair pair = {.listener = listener, .peer = net_socket(NULL)};
    int in_line = 0;

    must(net_connect(pair.peer, listener, NULL) == 0);
    pair.ours = net_accept(listener);
    must(pair.ours >= 0);
    for (int i = 0; i < STEPS; i++)
        do_step(&pair, history[i], &in_line);
    if (fin)
        must(net_bring_to(&pair, TCP_CLOSE_WAIT) == 0);
    if (drain)
        discard_all(pair.ours);

    bool foretold =
        net_unread(pair.ours) > 0 || (net_rmem(pair.ours) > 0 && net_at_mark(pair.ours) == 1);
    struct net_resets before = net_resets_now();
    must(net_close_ours(&pair) == 0);
    bool reset = net_resets_since(before).on_close > 0;
    must(net_zero_linger(pair.peer) == 0 && close(pair.peer) == 0);
    if (reset != foretold || (drain && reset))
        fail_msg("no longer true: \"%s\"\n    %.3s%s%s: %s, foretold %s", fact_line, history,
                 fin ? " FIN" : "", drain ? " drained" : "", reset ? "reset" : "no reset",
                 foretold ? "reset" : "no reset");
}

static void try_all_histories(bool drain)
{
    enum { LETTERS = sizeof steps - 1, HISTORIES = LETTERS * LETTERS * LETTERS };
    need_counters();
    int listener = net_listen(NULL, 4);

    for (int n = 0; n < HISTORIES; n++) {
        char history[STEPS] = {steps[n % LETTERS], steps[n / LETTERS % LETTERS],
                               steps[n / LETTERS / LETTERS]};
        if (!memchr(history, 'U', STEPS) && !memchr(history, 'M', STEPS))
            continue;
        try_history(listener, history, false, drain);
        try_history(listener, history, true, drain);
    }
    must(close(listener) == 0);
}

FACT(no_short_history_contradicts_the_mark,
     "FIONREAD, rmem and the mark foretell the close after every short history")
{
    design_says("rmem > 0 with FIONREAD 0: SIOCATMARK true means unread");
    try_all_histories(false);
}

FACT(no_short_history_survives_a_drain,
     "discarding until nothing comes prevents the reset after every short history")
{
    design_says("urgent data makes it stop at the mark, so repeat to EAGAIN, EOF or the bound");
    try_all_histories(true);
}

facts_main()
