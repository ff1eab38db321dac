/*
 * The word that a control file holds: which bytes name which mode.
 */
#include "settings/options.h"
#include "test.h"

#include <string.h>

#define BYTES(text) text, sizeof(text) - 1

struct row {
    const char *bytes;
    size_t len;
    enum option_word kind;
    enum mode mode;
};

/* clang-format off */
static const struct row table[] = {
    {BYTES("off"),             WORD_MODE, MODE_OFF},
    {BYTES("log"),             WORD_MODE, MODE_LOG},
    {BYTES("warn\n"),          WORD_MODE, MODE_WARN},
    {BYTES("drain\r\n"),       WORD_MODE, MODE_DRAIN},
    {BYTES("linger \t\n\n"),   WORD_MODE, MODE_LINGER},
    {BYTES(""),                WORD_NONE, MODE_OFF},
    {BYTES("\n"),              WORD_NONE, MODE_OFF},
    {BYTES("lin"),             WORD_OTHER, MODE_OFF},
    {BYTES("lingers"),         WORD_OTHER, MODE_OFF},
    {BYTES("Linger"),          WORD_OTHER, MODE_OFF},
    {BYTES(" linger"),         WORD_OTHER, MODE_OFF},
    {BYTES("linger warn"),     WORD_OTHER, MODE_OFF},
    {BYTES("linger\nwarn\n"),  WORD_OTHER, MODE_OFF},
    {BYTES("linger\0"),        WORD_OTHER, MODE_OFF},
    {BYTES("linger\0\n"),      WORD_OTHER, MODE_OFF},
    {BYTES("\0linger"),        WORD_OTHER, MODE_OFF},
    {BYTES("mode=linger"),     WORD_OTHER, MODE_OFF},
};
/* clang-format on */

TEST(words)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct row *row = &table[i];
        enum mode mode = MODE_WARN;
        enum option_word kind = options_word(row->bytes, row->len, &mode);

        if (kind != row->kind || (kind == WORD_MODE && mode != row->mode))
            fail_msg("row %zu: %d, mode %s", i, kind, options_mode_name(mode));
    }
}

/* Nothing behind len is looked at: the bytes are no string. */
TEST(no_string)
{
    enum mode mode = MODE_WARN;

    assert_int_equal(options_word("offline", 3, &mode), WORD_MODE);
    assert_int_equal(mode, MODE_OFF);
    assert_int_equal(options_word("warn", 0, &mode), WORD_NONE);
}

TEST(all_are_allowed)
{
    for (enum mode mode = MODE_OFF; mode <= MODE_LINGER; mode++) {
        const char *name = options_mode_name(mode);
        enum mode named = MODE_WARN;

        assert_int_equal(options_word(name, strlen(name), &named), WORD_MODE);
        assert_int_equal(named, mode);
        assert_non_null(strstr(options_modes(), name));
    }
}

TEST_MAIN()
