/*
 * Text made without stdio, against stdio, inet_ntop and gmtime_r; JSON strings against the grammars
 * of RFC 8259 and RFC 3629.
 */
#define _GNU_SOURCE
#include "ground/format.h"
#include "test.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A text whose bytes can be looked at as a string, with a guard behind its capacity. */
enum { ROOM = 256, GUARD = 0x5a };

struct sheet {
    struct text text;
    char bytes[ROOM + 1];
};

static struct sheet *sheet(size_t cap)
{
    static struct sheet s;

    memset(s.bytes, GUARD, sizeof(s.bytes));
    s.text = text_over(s.bytes, cap);
    return &s;
}

/* What stands on it, once it is sure that nothing stands behind it. */
static const char *seen(struct sheet *s)
{
    if (s->text.len > ROOM)
        return "(a text longer than its capacity)";
    for (size_t i = s->text.len; i < sizeof(s->bytes); i++)
        if (s->bytes[i] != GUARD)
            fail_msg("byte %zu behind a text of %zu is written", i, s->text.len);
    s->bytes[s->text.len] = '\0';
    return s->bytes;
}

/* The same on all machines and in all runs. */
static uint64_t random_number(void)
{
    static uint64_t x = 0x9e3779b97f4a7c15;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

/* ---- text_put, text_bytes -------------------------------------------------------------------- */

#define assert_put(format, value)                                                                  \
    do {                                                                                           \
        char expected_[128];                                                                       \
        struct sheet *s_ = sheet(ROOM);                                                            \
        snprintf(expected_, sizeof(expected_), "<" format ">", value);                             \
        text_put(&s_->text, "<" format ">", value);                                                \
        assert_string_equal(seen(s_), expected_);                                                  \
        assert_false(s_->text.cut);                                                                \
    } while (0)

TEST(int_conversions_are_those_of_printf)
{
    const int values[] = {0, 1, -1, 9, 10, 99, 100, 65535, INT_MAX, INT_MIN};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_put("%d", values[i]);
        assert_put("%u", (unsigned)values[i]);
        assert_put("%x", (unsigned)values[i]);
    }
}

TEST(long_conversions_are_those_of_printf)
{
    const long long values[] = {0, 1, -1, 12345678901234567, LLONG_MAX, LLONG_MIN};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_put("%ld", (long)(values[i] & LONG_MAX));
        assert_put("%lu", (unsigned long)values[i]);
        assert_put("%lx", (unsigned long)values[i]);
        assert_put("%lld", values[i]);
        assert_put("%llu", (unsigned long long)values[i]);
        assert_put("%llx", (unsigned long long)values[i]);
    }
}

TEST(a_width_pads_with_zeros_and_never_shortens)
{
    const unsigned values[] = {0, 1, 9, 10, 99, 100, 999999, 1000000, UINT_MAX};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_put("%02u", values[i]);
        assert_put("%02x", values[i]);
        assert_put("%06ld", (long)(values[i] & LONG_MAX));
        assert_put("%04lld", (long long)values[i]);
        assert_put("%016llx", (unsigned long long)values[i]);
    }
}

TEST(strings_characters_and_percent_signs_are_put_as_they_are)
{
    struct sheet *s = sheet(ROOM);

    text_put(&s->text, "%s|%s|%c%c|%%|100%%|%s", "", "a%sb", 'x', '%', "end");
    assert_string_equal(seen(s), "|a%sb|x%|%|100%|end");
}

TEST(conversions_take_their_arguments_in_order)
{
    struct sheet *s = sheet(ROOM);

    text_put(&s->text, "%d %llu %s %ld %c %lx", -1, ~0ULL, "s", -2L, 'c', ~0UL);
    assert_string_equal(seen(s), sizeof(long) == 8
                                     ? "-1 18446744073709551615 s -2 c ffffffffffffffff"
                                     : "-1 18446744073709551615 s -2 c ffffffff");
}

TEST(a_text_is_cut_at_its_capacity_and_says_so)
{
    const char whole[] = "one 12345 two";

    for (size_t cap = 0; cap <= sizeof(whole); cap++) {
        struct sheet *s = sheet(cap);
        size_t fits = cap < strlen(whole) ? cap : strlen(whole);

        text_put(&s->text, "%s %d %s", "one", 12345, "two");
        assert_int_equal(s->text.len, fits);
        assert_int_equal(s->text.cut, fits < strlen(whole));
        assert_memory_equal(seen(s), whole, fits);
    }
}

TEST(bytes_are_appended_as_they_are_until_the_capacity)
{
    struct sheet *s = sheet(6);

    text_bytes(&s->text, "a\0b", 3);
    text_bytes(&s->text, "", 0);
    assert_false(s->text.cut);
    text_bytes(&s->text, "cdef", 4);
    assert_true(s->text.cut);
    assert_int_equal(s->text.len, 6);
    assert_memory_equal(seen(s), "a\0bcde", 6);
}

TEST(amounts_are_counted_in_words)
{
    struct sheet *s = sheet(ROOM);

    text_amount(&s->text, 0);
    text_amount(&s->text, 1);
    text_amount(&s->text, 2);
    text_amount(&s->text, 9999);
    assert_string_equal(seen(s), "0 bytes1 byte2 bytes9999 bytes");
}

TEST(large_amounts_have_units)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {10000, "10.0 kB"}, {10049, "10.0 kB"},  {10050, "10.1 kB"},      {999949, "999.9 kB"},
        {999950, "1.0 MB"}, {3887104, "3.9 MB"}, {999949400, "999.9 MB"}, {UINT64_MAX, "18.4 EB"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sheet *s = sheet(ROOM);

        text_amount(&s->text, table[i].bytes);
        assert_string_equal(seen(s), table[i].text);
    }
}

/* ---- text_json, text_plain ------------------------------------------------------------------- */

static const char *as_json(const char *bytes, size_t len)
{
    struct sheet *s = sheet(ROOM);

    text_json(&s->text, bytes, len);
    assert_false(s->text.cut);
    return seen(s);
}

TEST(every_single_byte_is_a_character_or_an_escape)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        char expected[8];

        if (c == '"' || c == '\\')
            snprintf(expected, sizeof(expected), "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            snprintf(expected, sizeof(expected), "\\u%04x", c);
        else
            snprintf(expected, sizeof(expected), "%c", c);
        assert_string_equal(as_json(&byte, 1), expected);
    }
}

static size_t encode(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

TEST(every_character_of_unicode_is_kept)
{
    for (unsigned c = 0xa0; c <= 0x10ffff; c++) {
        char bytes[5] = {0};

        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        encode(c, bytes);
        assert_string_equal(as_json(bytes, strlen(bytes)), bytes);
    }
}

/* They are valid UTF-8, and move a terminal's cursor all the same. */
TEST(c1_controls_are_escaped)
{
    for (unsigned c = 0x80; c < 0xa0; c++) {
        char bytes[4];
        char expected[8];
        size_t len = encode(c, bytes);

        snprintf(expected, sizeof(expected), "\\u%04x", c);
        assert_string_equal(as_json(bytes, len), expected);
    }
}

TEST(surrogates_are_escaped_byte_by_byte)
{
    for (unsigned c = 0xd800; c <= 0xdfff; c++) {
        char bytes[4];
        char expected[24];
        size_t len = encode(c, bytes);

        snprintf(expected, sizeof(expected), "\\u%04x\\u%04x\\u%04x", (unsigned char)bytes[0],
                 (unsigned char)bytes[1], (unsigned char)bytes[2]);
        assert_string_equal(as_json(bytes, len), expected);
    }
}

/* The length of the character that s begins with by the table in RFC 3629, section 4; 0: none. */
static size_t character(const unsigned char *s, size_t len)
{
    static const struct {
        unsigned char first[2], second[2];
        size_t length;
    } rows[] = {
        {{0x00, 0x7f}, {0x00, 0xff}, 1}, {{0xc2, 0xdf}, {0x80, 0xbf}, 2},
        {{0xe0, 0xe0}, {0xa0, 0xbf}, 3}, {{0xe1, 0xec}, {0x80, 0xbf}, 3},
        {{0xed, 0xed}, {0x80, 0x9f}, 3}, {{0xee, 0xef}, {0x80, 0xbf}, 3},
        {{0xf0, 0xf0}, {0x90, 0xbf}, 4}, {{0xf1, 0xf3}, {0x80, 0xbf}, 4},
        {{0xf4, 0xf4}, {0x80, 0x8f}, 4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = rows[i].length;

        if (s[0] < rows[i].first[0] || s[0] > rows[i].first[1] || len < n)
            continue;
        if (n > 1 && (s[1] < rows[i].second[0] || s[1] > rows[i].second[1]))
            continue;
        if ((n > 2 && (s[2] & 0xc0) != 0x80) || (n > 3 && (s[3] & 0xc0) != 0x80))
            continue;
        return n;
    }
    return 0;
}

/* What text_json should make of these bytes; where each unit of it ends is noted in ends. */
static size_t expected_json(const char *bytes, size_t len, char *out, bool ends[ROOM])
{
    const unsigned char *s = (const unsigned char *)bytes;
    size_t at = 0;

    for (size_t i = 0, n; i < len; i += n) {
        n = character(s + i, len - i);
        bool control = n == 1   ? s[i] < 0x20 || s[i] == 0x7f
                       : n == 2 ? s[i] == 0xc2 && s[i + 1] < 0xa0
                                : n == 0;
        if (control)
            at += (size_t)sprintf(out + at, "\\u%04x", n == 2 ? s[i + 1] : s[i]);
        else
            at += (size_t)sprintf(out + at, "%s%.*s", s[i] == '"' || s[i] == '\\' ? "\\" : "",
                                  (int)n, bytes + i);
        n = n ? n : 1;
        if (ends)
            ends[at] = true;
    }
    return at;
}

static void assert_json(const char *bytes, size_t len)
{
    char expected[ROOM];

    expected[expected_json(bytes, len, expected, NULL)] = '\0';
    assert_string_equal(as_json(bytes, len), expected);
}

/* Overlong forms, surrogates, what is beyond Unicode, and characters that break off: bytes around
 * every border of RFC 3629's table, in all combinations, with an ordinary character behind. */
TEST(sequences_at_every_border_of_utf8_are_judged_as_rfc_3629_says)
{
    static const unsigned char borders[] = {
        0x00, 0x22, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
        0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xfe, 0xff};
    const size_t n = sizeof(borders);

    for (size_t i = 0; i < n * n * n * n; i++) {
        char bytes[5] = {(char)borders[i % n], (char)borders[i / n % n],
                         (char)borders[i / n / n % n], (char)borders[i / n / n / n], 'z'};

        assert_json(bytes, sizeof(bytes));
    }
}

TEST(a_character_that_the_end_cuts_off_is_escaped)
{
    assert_string_equal(as_json("a\xc3", 2), "a\\u00c3");
    assert_string_equal(as_json("\xe2\x82", 2), "\\u00e2\\u0082");
    assert_string_equal(as_json("\xf0\x9f\x98", 3), "\\u00f0\\u009f\\u0098");
}

/* Whatever the capacity: what stands there ends with a whole unit, and is as much as fits when the
 * longest escape must fit. */
TEST(a_json_text_is_never_cut_inside_a_character_or_an_escape)
{
    const char bytes[] = "a\"\\\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff\xc2\x85z\x1b";
    char whole[ROOM];
    bool ends[ROOM] = {[0] = true};
    size_t len = expected_json(bytes, sizeof(bytes) - 1, whole, ends);

    for (size_t cap = 0; cap < len + 8; cap++) {
        struct sheet *s = sheet(cap);

        text_json(&s->text, bytes, sizeof(bytes) - 1);
        seen(s);
        assert_true(s->text.len <= cap && s->text.len <= len);
        assert_memory_equal(s->bytes, whole, s->text.len);
        assert_true(ends[s->text.len]);
        assert_int_equal(s->text.cut, s->text.len < len);
        if (s->text.cut)
            assert_true(cap - s->text.len < 6);
    }
}

TEST(a_plain_text_holds_nothing_but_printable_ascii)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        char expected[8];
        struct sheet *s = sheet(ROOM);

        text_plain(&s->text, &byte, 1);
        if (c < 0x20 || c > 0x7e || c == '\\')
            snprintf(expected, sizeof(expected), "\\x%02x", c);
        else
            snprintf(expected, sizeof(expected), "%c", c);
        assert_string_equal(seen(s), expected);
    }
}

/* ---- text_address ---------------------------------------------------------------------------- */

static const char *address_text(const uint8_t *addr, bool v4, unsigned port)
{
    struct sheet *s = sheet(ROOM);

    text_address(&s->text, addr, v4, port);
    return seen(s);
}

static const char *address6(const char *text, unsigned port)
{
    uint8_t addr[16];

    assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
    return address_text(addr, false, port);
}

TEST(an_ipv4_address_stands_before_its_port)
{
    assert_string_equal(address_text((const uint8_t[]){127, 0, 0, 1}, true, 80), "127.0.0.1:80");
    assert_string_equal(address_text((const uint8_t[]){0, 0, 0, 0}, true, 0), "0.0.0.0:0");
    assert_string_equal(address_text((const uint8_t[]){255, 255, 255, 255}, true, 65535),
                        "255.255.255.255:65535");
}

TEST(an_ipv6_address_stands_in_brackets)
{
    assert_string_equal(address6("::1", 9001), "[::1]:9001");
    assert_string_equal(address6("::", 0), "[::]:0");
    assert_string_equal(address6("2001:db8::8a2e:370:7334", 443), "[2001:db8::8a2e:370:7334]:443");
    assert_string_equal(address6("fe80::", 1), "[fe80::]:1");
}

TEST(an_ipv4_mapped_address_is_written_as_ipv4)
{
    assert_string_equal(address6("::ffff:127.0.0.1", 9001), "127.0.0.1:9001");
    assert_string_equal(address6("::ffff:0:0", 0), "0.0.0.0:0");
    assert_string_equal(address6("::fffe:127.0.0.1", 9001), "[::fffe:7f00:1]:9001");
    assert_string_equal(address6("1::ffff:7f00:1", 9001), "[1::ffff:7f00:1]:9001");
}

/* RFC 5952: the longest run of zeros is shortened, the first of equals, a single group never. */
TEST(zeros_are_shortened_as_rfc_5952_says)
{
    assert_string_equal(address6("1:0:0:2:0:0:0:3", 1), "[1:0:0:2::3]:1");
    assert_string_equal(address6("1:0:0:2:3:0:0:4", 1), "[1::2:3:0:0:4]:1");
    assert_string_equal(address6("1:0:2:3:4:5:6:7", 1), "[1:0:2:3:4:5:6:7]:1");
    assert_string_equal(address6("0:1:2:3:4:5:6:0", 1), "[0:1:2:3:4:5:6:0]:1");
    assert_string_equal(address6("0:0:1:2:3:4:0:0", 1), "[::1:2:3:4:0:0]:1");
    assert_string_equal(address6("1:2:3:4:5:6:0:0", 1), "[1:2:3:4:5:6::]:1");
    assert_string_equal(address6("a:b:c:d:e:f:1:2", 1), "[a:b:c:d:e:f:1:2]:1");
}

/* inet_ntop writes the last four bytes in decimal behind 96 zero bits: those are left out. */
TEST(ipv6_addresses_are_those_of_inet_ntop)
{
    for (int i = 0; i < 200000; i++) {
        uint64_t shape = random_number();
        uint8_t addr[16];
        char text[INET6_ADDRSTRLEN];
        char expected[80];
        uint64_t half[2] = {random_number(), random_number()};
        unsigned port = (unsigned)(shape >> 48);

        memcpy(addr, half, sizeof(addr));
        for (int group = 0; group < 8; group++) {
            if (shape >> group & 1)
                addr[2 * group] = addr[2 * group + 1] = 0;
            else if (shape >> (8 + group) & 1)
                addr[2 * group] = 0;
        }
        if (memcmp(addr, (const uint8_t[10]){0}, 10) == 0)
            continue;
        inet_ntop(AF_INET6, addr, text, sizeof(text));
        snprintf(expected, sizeof(expected), "[%s]:%u", text, port);
        assert_string_equal(address_text(addr, false, port), expected);
    }
}

/* ---- text_time ------------------------------------------------------------------------------- */

static void assert_time(int64_t seconds, long nanoseconds)
{
    struct tm tm;
    time_t t = seconds;
    char expected[80];
    struct sheet *s;

    if (t != seconds)
        return; /* it is too far away for this machine's libc */
    assert_non_null(gmtime_r(&t, &tm));
    snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, nanoseconds / 1000);
    s = sheet(ROOM);
    text_time(&s->text, seconds, nanoseconds, true);
    assert_string_equal(seen(s), expected);
    snprintf(expected, sizeof(expected), "%02d:%02d:%02d.%03ldZ", tm.tm_hour, tm.tm_min, tm.tm_sec,
             nanoseconds / 1000000);
    s = sheet(ROOM);
    text_time(&s->text, seconds, nanoseconds, false);
    assert_string_equal(seen(s), expected);
}

static int64_t seconds_of(int year, int month, int day)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    return timegm(&tm);
}

TEST(a_time_is_written_as_in_the_log)
{
    struct sheet *s = sheet(ROOM);

    text_time(&s->text, 1795329067, 123456789, true);
    text_put(&s->text, " ");
    text_time(&s->text, 1795329067, 123456789, false);
    assert_string_equal(seen(s), "2026-11-22T06:31:07.123456Z 06:31:07.123Z");
}

TEST(fractions_are_cut_and_never_rounded_up)
{
    struct sheet *s = sheet(ROOM);

    text_time(&s->text, 0, 999999999, true);
    text_put(&s->text, " ");
    text_time(&s->text, 59, 999999999, false);
    text_put(&s->text, " ");
    text_time(&s->text, 0, 999, true);
    assert_string_equal(seen(s),
                        "1970-01-01T00:00:00.999999Z 00:00:59.999Z 1970-01-01T00:00:00.000000Z");
}

TEST(every_day_from_1600_to_2400_has_its_date)
{
    const int64_t last = seconds_of(2401, 1, 1);

    for (int64_t t = seconds_of(1600, 1, 1); t < last; t += 86400) {
        assert_time(t, 0);
        assert_time(t - 1, 999999999);
    }
}

TEST(leap_days_are_where_the_calendar_has_them)
{
    static const int years[] = {1600, 1900, 1972, 2000, 2023, 2024, 2100, 2400, 9996, 9999};

    for (size_t i = 0; i < sizeof(years) / sizeof(years[0]); i++)
        for (int day = 27; day <= 31; day++) {
            assert_time(seconds_of(years[i], 2, day), 0);
            assert_time(seconds_of(years[i], 12, day) + 86399, 1);
        }
}

/* Before 1970 seconds are negative. */
TEST(seconds_from_year_0_to_year_9999_have_their_date)
{
    const int64_t first = seconds_of(0, 1, 1);
    const int64_t last = seconds_of(10000, 1, 1) - 1;

    assert_time(first, 0);
    assert_time(-1, 0);
    assert_time(0, 0);
    assert_time(last, 999999999);
    for (int i = 0; i < 200000; i++)
        assert_time(first + (int64_t)(random_number() % (uint64_t)(last - first)),
                    (long)(random_number() % 1000000000));
}

TEST_MAIN()
