/*
 * What a close most often means, from its cause, what the unread bytes look like, whose connection
 * it was and what the program had done with it. The sentences are in causes.def alone; a word of
 * each tells them apart.
 */
#include "report/meaning.h"
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct row {
    enum cause cause;
    enum content content;
    enum whose whose;
    unsigned when;
    const char *word; /* of the meaning; NULL: none is known */
};

/* clang-format off */
static const struct row table[] = {
    {CAUSE_UNREAD_DATA, CONTENT_HTTP_REQUEST,  ACCEPTED, UNTOUCHED, "HTTP request, and"},
    {CAUSE_UNREAD_DATA, CONTENT_HTTP_REQUEST,  ACCEPTED, ANSWERED,  "kept-alive"},
    {CAUSE_UNREAD_DATA, CONTENT_HTTP_BODY,     ACCEPTED, ANSWERED,  "the body"},
    {CAUSE_UNREAD_DATA, CONTENT_HTTP_BODY,     ACCEPTED, 0,         "the body"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_ALERT,     ACCEPTED, ANSWERED,  "close_notify"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_ALERT,     OPENED,   ANSWERED,  "close_notify"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_ALERT,     EITHER,   0,         "close_notify"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_DATA,      OPENED,   ANSWERED,  "tickets"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_DATA,      ACCEPTED, ANSWERED,  "answered before"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_HANDSHAKE, ACCEPTED, UNTOUCHED, "beginning of a TLS"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_HANDSHAKE, ACCEPTED, ANSWERED,  "answered before"},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_HANDSHAKE, OPENED,   ANSWERED,  "did not finish"},
    {CAUSE_UNREAD_DATA, CONTENT_TEXT,          ACCEPTED, ANSWERED,  "answered before"},
    {CAUSE_UNREAD_DATA, CONTENT_TEXT,          ACCEPTED, UNTOUCHED, "of what this client sent"},
    {CAUSE_UNREAD_DATA, CONTENT_SSH,           ACCEPTED, UNTOUCHED, "of what this client sent"},
    {CAUSE_UNREAD_DATA, CONTENT_BINARY,        OPENED,   ANSWERED,  "opened this connection"},
    {CAUSE_UNREAD_DATA, CONTENT_HTTP_REQUEST,  OPENED,   ANSWERED,  "opened this connection"},
    {CAUSE_UNREAD_DATA, CONTENT_NONE,          OPENED,   UNTOUCHED, "opened this connection"},
    {CAUSE_UNREAD_DATA, CONTENT_NONE,          ACCEPTED, ANSWERED,  "answered before"},
    {CAUSE_UNREAD_DATA, CONTENT_URGENT,        ACCEPTED, 0,         "MSG_OOB"},
    {CAUSE_UNREAD_DATA, CONTENT_URGENT,        OPENED,   0,         "MSG_OOB"},
    /* Read, and nothing written: by whom it was accepted tells nothing more. */
    {CAUSE_UNREAD_DATA, CONTENT_TEXT,          ACCEPTED, 0,         NULL},
    /* Nobody saw it begin. */
    {CAUSE_UNREAD_DATA, CONTENT_TEXT,          EITHER,   ANSWERED,  NULL},
    {CAUSE_UNREAD_DATA, CONTENT_TEXT,          EITHER,   UNTOUCHED, NULL},
    {CAUSE_UNREAD_DATA, CONTENT_HTTP_REQUEST,  EITHER,   UNTOUCHED, NULL},
    {CAUSE_UNREAD_DATA, CONTENT_TLS_DATA,      EITHER,   ANSWERED,  NULL},
    {CAUSE_ZERO_LINGER, CONTENT_NONE,          OPENED,   0,         "TIME_WAIT"},
    {CAUSE_ZERO_LINGER, CONTENT_NONE,          EITHER,   ENDED,     "TIME_WAIT"},
    {CAUSE_PENDING_ACCEPTS, CONTENT_NONE,      EITHER,   0,         "restart"},
    {CAUSE_PENDING_ACCEPTS, CONTENT_NONE,      EITHER,   ENDED,     "restart"},
    {CAUSE_NONE, CONTENT_NONE,                 ACCEPTED, ANSWERED,  NULL},
};
/* clang-format on */

static void expect(const struct row *row, unsigned when, const char *word)
{
    const struct meaning *m = meaning_of(row->cause, row->content, row->whose, when);

    if (!m != !word || (word && !strstr(m->what, word))) {
        print_error("row %td, when %u: \"%s\", not \"%s\"\n", row - table, when,
                    m ? m->what : "(none)", word ? word : "(none)");
        fail();
    }
}

TEST(each_situation_has_its_meaning)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        expect(&table[i], table[i].when, table[i].word);
}

/* Whatever was unread, and whoever opened it. */
TEST(the_end_of_a_process_explains_what_it_left_unread)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].cause == CAUSE_UNREAD_DATA)
            expect(&table[i], table[i].when | ENDED, "process ended");
}

/* One line of at most 120 characters each, with no full stop, as they stand in the middle of a
 * line. */
TEST(sentences_are_short_and_say_something)
{
    static const char *const sentences[] = {
#define MEANING(cause, content, whose, when, what, advice) what, advice,
#include "tcp/causes.def"
#undef MEANING
    };

    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        size_t len = strlen(sentences[i]);

        assert_true(len > 20 || (i % 2 == 1 && len == 0));
        assert_true(len <= 120);
        assert_null(strpbrk(sentences[i], "\n%"));
        assert_true(len == 0 || sentences[i][len - 1] != '.');
    }
}

/* A row that stands behind one which always fits before it would be one that nobody ever reads. */
TEST(every_row_is_reached)
{
    static const char *const all[] = {
#define MEANING(cause, content, whose, when, what, advice) what,
#include "tcp/causes.def"
#undef MEANING
    };
    bool reached[sizeof(all) / sizeof(all[0])] = {false};
    const enum whose whose[] = {ACCEPTED, OPENED, EITHER};
    const unsigned when[] = {0, ENDED, UNTOUCHED, ANSWERED};

    for (unsigned i = 0; i < CAUSE_COUNT * CONTENT_COUNT * 12; i++) {
        const struct meaning *m =
            meaning_of((enum cause)(i / 12 / CONTENT_COUNT), (enum content)(i / 12 % CONTENT_COUNT),
                       whose[i % 3], when[i / 3 % 4]);

        for (size_t k = 0; m && k < sizeof(all) / sizeof(all[0]); k++)
            reached[k] |= strcmp(m->what, all[k]) == 0;
    }
    for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
        assert_true(reached[k]);
}

TEST_MAIN()
