/*
 * What a close did, as a table: by what it would have done as the last one, and by what the kernel said before
 * and after it. The kernel's side of it is pinned by kernel_facts_diag.c. A verdict "unknown" is not in it:
 * of those the kernel is never asked.
 */
#include "report/names.h"
#include "tcp/outcome.h"
#include "test.h"

#include <stdio.h>

enum cell {
    NOTHING,   /* nothing was sent, for sure */
    FIN,       /* an orderly end, for sure */
    FIN_MAYBE, /* as far as the verdict knows */
    RST,       /* a reset, for sure; where others may tell it as well, one of them may */
    RST_MAYBE, /* likely, and likewise */
};

static const struct conclusion meaning[] = {
    [NOTHING] = {OUTCOME_NONE, true, false},   [FIN] = {OUTCOME_FIN, true, false},
    [FIN_MAYBE] = {OUTCOME_FIN, false, false}, [RST] = {OUTCOME_RST, true, true},
    [RST_MAYBE] = {OUTCOME_RST, false, true},
};

/* Found before. */
struct row {
    const char *name;
    struct verdict last;
    enum cell held;        /* found after it, with an inode */
    enum cell orphan;      /* without one, in a state in which a close sends FIN */
    enum cell orphan_half; /* likewise, ours having been sent before */
    enum cell gone;        /* not found */
    enum cell gone_wait;   /* not found, the peer's FIN having been there (CLOSE_WAIT, LAST_ACK) */
    enum cell gone_others; /* not found, and others may have read it, and closed it */
    enum cell gone_wait_others;
};

/* clang-format off */
static const struct row table[] = {
    /*                           held     orphan   orphan   gone       gone     gone,      gone, CLOSE_WAIT,
                                                   half                CLOSE_   others     others
                                                   closed              WAIT */
    {"bytes unread", {CAUSE_UNREAD_DATA, OUTCOME_RST},
                                 NOTHING, FIN,     NOTHING, RST,       RST,     RST,       RST_MAYBE},
    {"a reset asked for", {CAUSE_ZERO_LINGER, OUTCOME_RST},
                                 NOTHING, FIN,     NOTHING, RST,       RST,     RST,       RST_MAYBE},
    {"clients waiting", {CAUSE_PENDING_ACCEPTS, OUTCOME_RST},
                                 NOTHING, FIN,     NOTHING, RST,       RST,     RST,       RST_MAYBE},
    {"an orderly end", {CAUSE_NONE, OUTCOME_FIN},
                                 NOTHING, FIN,     FIN,     FIN_MAYBE, FIN,     FIN_MAYBE, FIN},
    {"drained", {CAUSE_UNREAD_DATA, OUTCOME_FIN},
                                 NOTHING, FIN,     FIN,     RST_MAYBE, FIN,     RST_MAYBE, FIN},
    {"nothing to send", {CAUSE_NONE, OUTCOME_NONE},
                                 NOTHING, NOTHING, NOTHING, NOTHING,   NOTHING, NOTHING,   NOTHING},
    {"drained, nothing to send", {CAUSE_UNREAD_DATA, OUTCOME_NONE},
                                 NOTHING, NOTHING, NOTHING, RST_MAYBE, NOTHING, RST_MAYBE, NOTHING},
};
/* clang-format on */

enum { ROWS = sizeof(table) / sizeof(table[0]) };

static enum cell cell_of(const struct row *r, enum diag after, uint8_t state, bool others)
{
    bool sends_fin =
        state == STATE_ESTABLISHED || state == STATE_SYN_RECV || state == STATE_CLOSE_WAIT;

    if (after == DIAG_HELD)
        return r->held;
    if (after == DIAG_ORPHAN)
        return sends_fin ? r->orphan : r->orphan_half;
    if (state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK)
        return others ? r->gone_wait_others : r->gone_wait;
    return others ? r->gone_others : r->gone;
}

static void assert_told(struct conclusion found, struct conclusion wanted, const char *name,
                        const char *where, enum diag after, uint8_t state, bool others)
{
    if (found.outcome != wanted.outcome || found.confirmed != wanted.confirmed ||
        found.claims != wanted.claims)
        fail_msg(
            "%s, %s, after %d, state %u, others %d: %s, confirmed %d, claims %d; not %s, %d, %d",
            name, where, after, state, others, names_outcome(found.outcome), found.confirmed,
            found.claims, names_outcome(wanted.outcome), wanted.confirmed, wanted.claims);
}

static void in_this_row(void **state)
{
    static const enum diag afters[] = {DIAG_GONE, DIAG_HELD, DIAG_ORPHAN};
    const struct row *r = *state;

    for (unsigned i = 0; i < sizeof(afters) / sizeof(afters[0]); i++) {
        for (uint8_t s = STATE_ESTABLISHED; s <= STATE_CLOSING; s++) {
            for (int others = 0; others < 2; others++) {
                struct conclusion found = outcome_of(&r->last, DIAG_HELD, afters[i], s, others);

                assert_told(found, meaning[cell_of(r, afters[i], s, others)], r->name,
                            "found before", afters[i], s, others);
            }
        }
    }
}

/* Not asked before or after, or not found before: then there is only the verdict. */
TEST(without_two_answers_the_verdict_is_told_and_not_confirmed)
{
    for (int i = 0; i < ROWS; i++) {
        const struct conclusion word = {table[i].last.outcome, false, false};

        for (enum diag before = DIAG_UNASKED; before <= DIAG_ORPHAN; before++) {
            for (enum diag after = DIAG_UNASKED; after <= DIAG_ORPHAN; after++) {
                if (before == DIAG_HELD && after != DIAG_UNASKED)
                    continue;
                for (uint8_t s = STATE_ESTABLISHED; s <= STATE_CLOSING; s++)
                    for (int others = 0; others < 2; others++)
                        assert_told(outcome_of(&table[i].last, before, after, s, others), word,
                                    table[i].name, "not asked or not found", after, s, others);
            }
        }
    }
}

TEST(only_a_reset_is_claimed)
{
    for (int i = 0; i < ROWS; i++)
        for (enum diag after = DIAG_UNASKED; after <= DIAG_ORPHAN; after++)
            for (uint8_t s = STATE_ESTABLISHED; s <= STATE_CLOSING; s++) {
                struct conclusion found = outcome_of(&table[i].last, DIAG_HELD, after, s, true);

                assert_false(found.claims && found.outcome != OUTCOME_RST);
            }
}

TEST_MAIN_ROWS(table, "the row \"%s\" is as in the table", in_this_row)
