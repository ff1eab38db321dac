/*
 * The verdict as a table: what the kernel does at the last close of a socket, by its state and by
 * what is left in its queues. The kernel's side of it is pinned by kernel_facts_close.c.
 */
#include "report/names.h"
#include "test.h"
#include "tcp/verdict.h"

#include <stdio.h>
#include <string.h>

#include <netinet/tcp.h>

enum cell {
    FIN,     /* an orderly end */
    SILENT,  /* nothing is sent */
    UNREAD,  /* reset: unread-data */
    LINGER,  /* reset: zero-linger */
    PENDING, /* reset: pending-accepts */
};

static const struct verdict meaning[] = {
    [FIN] = {CAUSE_NONE, OUTCOME_FIN},
    [SILENT] = {CAUSE_NONE, OUTCOME_NONE},
    [UNREAD] = {CAUSE_UNREAD_DATA, OUTCOME_RST},
    [LINGER] = {CAUSE_ZERO_LINGER, OUTCOME_RST},
    [PENDING] = {CAUSE_PENDING_ACCEPTS, OUTCOME_RST},
};

struct row {
    const char *name;
    uint8_t state;
    enum cell nothing;       /* nothing left, nothing asked for */
    enum cell unread;        /* something unread */
    enum cell linger;        /* SO_LINGER {1,0} */
    enum cell linger_unsent; /* the same, with output that never left */
    enum cell both;          /* SO_LINGER {1,0}, and something unread */
    enum cell pending;       /* a number where a listening socket has its accept queue */
    bool peer_may_send;      /* later data can still be answered with a reset */
};

/* clang-format off */
static const struct row table[] = {
    /*                  nothing unread  linger  linger, both    pending peer
                                                unsent                  may send */
    {"ESTABLISHED", STATE_ESTABLISHED,
                        FIN,    UNREAD, LINGER, LINGER, UNREAD, FIN,    true},
    {"SYN_SENT", STATE_SYN_SENT,
                        SILENT, UNREAD, SILENT, SILENT, UNREAD, SILENT, false},
    {"SYN_RECV", STATE_SYN_RECV,
                        FIN,    UNREAD, LINGER, LINGER, UNREAD, FIN,    true},
    {"FIN_WAIT1", STATE_FIN_WAIT1,
                        SILENT, UNREAD, LINGER, LINGER, UNREAD, SILENT, true},
    {"FIN_WAIT2", STATE_FIN_WAIT2,
                        SILENT, UNREAD, LINGER, LINGER, UNREAD, SILENT, true},
    {"TIME_WAIT", STATE_TIME_WAIT,
                        SILENT, UNREAD, SILENT, SILENT, UNREAD, SILENT, false},
    {"CLOSE", STATE_CLOSE,
                        SILENT, SILENT, SILENT, SILENT, SILENT, SILENT, false},
    {"CLOSE_WAIT", STATE_CLOSE_WAIT,
                        FIN,    UNREAD, LINGER, LINGER, UNREAD, FIN,    false},
    {"LAST_ACK", STATE_LAST_ACK,
                        SILENT, UNREAD, SILENT, LINGER, UNREAD, SILENT, false},
    {"LISTEN", STATE_LISTEN,
                        SILENT, SILENT, SILENT, SILENT, SILENT, PENDING, false},
    {"CLOSING", STATE_CLOSING,
                        SILENT, UNREAD, SILENT, LINGER, UNREAD, SILENT, false},
};
/* clang-format on */

enum { ROWS = sizeof(table) / sizeof(table[0]) };

static void assert_cell(struct facts facts, enum cell wanted)
{
    struct verdict v = verdict_of(&facts);

    if (v.cause != meaning[wanted].cause || v.outcome != meaning[wanted].outcome)
        fail_msg("state %u unread %d linger %d unsent %u pending %u: %s [%s], not %s [%s]",
                 facts.state, facts.unread, facts.zero_linger, facts.unsent, facts.pending,
                 names_outcome(v.outcome), names_cause(v.cause),
                 names_outcome(meaning[wanted].outcome), names_cause(meaning[wanted].cause));
}

static void in_this_state(void **state)
{
    const struct row *r = *state;
    const uint8_t s = r->state;

    assert_cell((struct facts){.state = s}, r->nothing);
    assert_cell((struct facts){.state = s, .unread = true}, r->unread);
    assert_cell((struct facts){.state = s, .zero_linger = true}, r->linger);
    assert_cell((struct facts){.state = s, .zero_linger = true, .unsent = 1}, r->linger_unsent);
    assert_cell((struct facts){.state = s, .zero_linger = true, .unread = true}, r->both);
    assert_cell((struct facts){.state = s, .pending = 1}, r->pending);
    assert_int_equal(verdict_peer_may_send(s), r->peer_may_send);
}

/* Output that was never sent is lost by a reset, and causes none. */
TEST(unsent_output_changes_nothing_but_a_zero_linger)
{
    for (int i = 0; i < ROWS; i++) {
        const uint8_t s = table[i].state;
        const uint32_t much = UINT32_MAX;

        assert_cell((struct facts){.state = s, .unsent = much}, table[i].nothing);
        assert_cell((struct facts){.state = s, .unsent = much, .unread = true}, table[i].unread);
        assert_cell((struct facts){.state = s, .unsent = much, .unread = true, .zero_linger = true},
                    table[i].both);
    }
}

TEST(a_waiting_client_is_the_only_thing_a_listening_socket_resets)
{
    for (int bits = 0; bits < 8; bits++) {
        struct facts f = {
            .state = STATE_LISTEN,
            .unread = bits & 1,
            .zero_linger = bits & 2,
            .unsent = bits & 4,
        };
        assert_cell(f, SILENT);
        f.pending = UINT32_MAX;
        assert_cell(f, PENDING);
    }
}

TEST(the_outcome_of_an_mptcp_close_is_unknown_in_every_state)
{
    for (int s = 0; s <= STATE_CLOSING; s++) {
        for (int bits = 0; bits < 16; bits++) {
            struct facts f = {
                .state = (uint8_t)s,
                .mptcp = true,
                .unread = bits & 1,
                .zero_linger = bits & 2,
                .unsent = bits & 4,
                .pending = bits & 8,
            };
            struct verdict v = verdict_of(&f);

            assert_int_equal(v.outcome, OUTCOME_UNKNOWN);
            assert_int_equal(v.cause, f.unread ? CAUSE_UNREAD_DATA : CAUSE_NONE);
        }
    }
}

TEST(the_states_are_numbered_as_the_kernel_numbers_them)
{
    assert_int_equal(STATE_ESTABLISHED, TCP_ESTABLISHED);
    assert_int_equal(STATE_SYN_SENT, TCP_SYN_SENT);
    assert_int_equal(STATE_SYN_RECV, TCP_SYN_RECV);
    assert_int_equal(STATE_FIN_WAIT1, TCP_FIN_WAIT1);
    assert_int_equal(STATE_FIN_WAIT2, TCP_FIN_WAIT2);
    assert_int_equal(STATE_TIME_WAIT, TCP_TIME_WAIT);
    assert_int_equal(STATE_CLOSE, TCP_CLOSE);
    assert_int_equal(STATE_CLOSE_WAIT, TCP_CLOSE_WAIT);
    assert_int_equal(STATE_LAST_ACK, TCP_LAST_ACK);
    assert_int_equal(STATE_LISTEN, TCP_LISTEN);
    assert_int_equal(STATE_CLOSING, TCP_CLOSING);
}

TEST(causes_and_outcomes_have_the_names_that_scripts_read)
{
    assert_string_equal(names_cause(CAUSE_NONE), "none");
    assert_string_equal(names_cause(CAUSE_UNREAD_DATA), "unread-data");
    assert_string_equal(names_cause(CAUSE_ZERO_LINGER), "zero-linger");
    assert_string_equal(names_cause(CAUSE_PENDING_ACCEPTS), "pending-accepts");
    assert_string_equal(names_outcome(OUTCOME_NONE), "none");
    assert_string_equal(names_outcome(OUTCOME_FIN), "fin");
    assert_string_equal(names_outcome(OUTCOME_RST), "rst");
    assert_string_equal(names_outcome(OUTCOME_UNKNOWN), "unknown");
}

TEST_MAIN_ROWS(table, "the row of %s is as in the table", in_this_state)
