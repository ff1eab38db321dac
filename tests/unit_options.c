/*
 * The word that a control file holds: which bytes name which mode.
 */
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1

struct row {
    const char *bytes;
    size_t len;
    int mode; /* -1: none */
};

/* clang-format off */
static const struct row table[] = {
    {BYTES("off"),             MODE_OFF},
    {BYTES("log"),             MODE_LOG},
    {BYTES("warn\n"),          MODE_WARN},
    {BYTES("drain\r\n"),       MODE_DRAIN},
    {BYTES("linger \t\n\n"),   MODE_LINGER},
    {BYTES(""),                -1},
    {BYTES("\n"),              -1},
    {BYTES("lin"),             -1},
    {BYTES("lingers"),         -1},
    {BYTES("Linger"),          -1},
    {BYTES(" linger"),         -1},
    {BYTES("linger warn"),     -1},
    {BYTES("linger\nwarn\n"),  -1},
    {BYTES("linger\0"),        -1},
    {BYTES("linger\0\n"),      -1},
    {BYTES("\0linger"),        -1},
    {BYTES("mode=linger"),     -1},
};
/* clang-format on */

static void words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct row *row = &table[i];
        enum mode mode = MODE_WARN;
        bool is_one = options_mode_of(row->bytes, row->len, &mode);

        if (is_one != (row->mode >= 0) || (is_one && (int)mode != row->mode))
            fail_msg("row %zu: %d, mode %s", i, is_one, options_mode_name(mode));
    }
}

/* Nothing behind len is looked at: the bytes are no string. */
static void no_string(void **state)
{
    enum mode mode = MODE_WARN;

    (void)state;
    assert_true(options_mode_of("offline", 3, &mode));
    assert_int_equal(mode, MODE_OFF);
    assert_false(options_mode_of("warn", 0, &mode));
}

static void all_are_allowed(void **state)
{
    (void)state;
    for (enum mode mode = MODE_OFF; mode <= MODE_LINGER; mode++) {
        const char *name = options_mode_name(mode);
        enum mode named = MODE_WARN;

        assert_true(options_mode_of(name, strlen(name), &named));
        assert_int_equal(named, mode);
        assert_non_null(strstr(options_modes(), name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(no_string),
        cmocka_unit_test(all_are_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
