/*
 * The reader of our own log: what a line means, and which lines are none. Times are compared with libc's timegm.
 */
#define _GNU_SOURCE
#include "log/json.h"
#include "log/event.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CLOSE                                                                                          \
    "{\"v\":1,\"time\":\"2026-11-22T06:31:07.123456Z\",\"event\":\"close\",\"cause\":\"unread-data\"," \
    "\"outcome\":\"rst\""

static bool reads(const char *line, struct log_event *event)
{
    return log_event_read(event, line, strlen(line));
}

TEST(keys_may_come_in_any_order_and_unknown_ones_are_passed_over)
{
    struct log_event e;

    assert_true(reads("{ \"unread\":7, \"new\":{\"a\":[1,{\"b\":\"]}\"}]}, \"outcome\":\"rst\","
                      "\"event\":\"close\",\"cause\":\"x\" , \"stack\":[\"a\",\"b\"],"
                      "\"time\":\"2026-11-22T06:31:07.123456Z\",\"v\":1}\r",
                      &e));
    assert_int_equal(e.kind, LOG_CLOSE);
    assert_int_equal(e.unread, 7);
    assert_true(log_is(&e.cause, "x"));
    assert_int_equal(e.stack.kind, JSON_ARRAY);
    assert_int_equal(e.stack.len, strlen("[\"a\",\"b\"]"));
}

TEST(lines_that_are_no_events_are_refused)
{
    static const char *const lines[] = {
        "",
        "{",
        "}",
        "{}",
        "[]",
        "null",
        CLOSE,
        CLOSE "}x",
        CLOSE ",\"unread\":-1}",
        CLOSE ",\"unread\":1.5}",
        CLOSE ",\"unread\":1e3}",
        CLOSE ",\"unread\":9999999999999999999999}",
        CLOSE ",\"unread\":\"5\"}",
        CLOSE ",\"comm\":5}",
        CLOSE ",\"confirmed\":\"yes\"}",
        CLOSE ",\"stack\":[\"a\"}",
        CLOSE ",\"stack\":[}]}",
        CLOSE ",\"comm\":\"a}",
        CLOSE ",\"comm\":\"a\\\"}",
        CLOSE ",\"comm\" \"a\"}",
        "{\"v\":1,\"event\":\"close\",\"cause\":\"x\",\"outcome\":\"rst\"}",
        "{\"v\":1,\"time\":\"2026-11-22T06:31:07.123456Z\",\"event\":\"close\",\"cause\":\"x\"}",
        "{\"time\":\"2026-11-22T06:31:07.123456Z\",\"event\":\"start\"}",
        "{\"v\":1,\"time\":\"2026-11-22T06:31:07.123456Z\"}",
    };
    struct log_event e;

    assert_true(reads(CLOSE "}", &e));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (reads(lines[i], &e))
            fail_msg("taken for an event: %s", lines[i]);
}

TEST(an_event_of_a_kind_that_is_not_known_yet_is_one)
{
    struct log_event e;

    assert_true(reads("{\"v\":2,\"time\":\"2026-11-22T06:31:07.123456Z\",\"event\":\"new\"}", &e));
    assert_int_equal(e.kind, LOG_OTHER);
}

TEST(nesting_is_bounded)
{
    char line[4096] = CLOSE ",\"x\":";
    struct log_event e;

    memset(line + strlen(line), '[', 1000);
    assert_false(reads(line, &e));
}

TEST(a_text_is_unescaped_and_cut_at_its_room)
{
    const struct json_value value = {.kind = JSON_STRING,
                                     .escaped = true,
                                     .bytes = "a\\n\\u001b\\u00ff\\u20ac\\\"\\\\\\u0000\\u12",
                                     .len =
                                         strlen("a\\n\\u001b\\u00ff\\u20ac\\\"\\\\\\u0000\\u12")};
    char text[64];
    size_t len = json_text(&value, text, sizeof(text));

    assert_int_equal(len, strlen(text));
    assert_string_equal(text, "a\n\x1b\xff\xe2\x82\xac\"\\?u12");
    assert_true(json_text(&value, text, 6) < 6);
}

TEST(times_are_those_of_timegm)
{
    for (int64_t seconds = 946684800; seconds < INT32_MAX; seconds += 86399 * 3) {
        time_t t = (time_t)seconds;
        struct tm tm;
        char text[32], *end = text;
        int64_t time;

        gmtime_r(&t, &tm);
        end += strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        strcpy(end, ".000007Z");
        assert_true(log_time(text, strlen(text), &time));
        assert_int_equal(time, (int64_t)t * 1000000 + 7);
    }
}

TEST(what_is_no_time_is_refused)
{
    static const char *const texts[] = {
        "2026-11-22T06:31:07Z",        "2026-13-22T06:31:07.123456Z", "2026-00-22T06:31:07.123456Z",
        "1999-12-31T23:59:59.999999Z", "2100-01-01T00:00:00.000000Z", "2026-11-22 06:31:07.123456Z",
        "2026-11-22T24:31:07.123456Z", "2026-11-22T06:31:07.12345xZ",
    };
    int64_t time;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(log_time(texts[i], strlen(texts[i]), &time));
}

TEST(addresses_are_split_at_their_last_colon)
{
    static const struct {
        const char *text, *address;
        unsigned port;
    } rows[] = {
        {"127.0.0.1:80", "127.0.0.1", 80},
        {"[::1]:65535", "::1", 65535},
        {"[::1]:65536", "::1", 0},
        {"", "", 0},
        {":", "", 0},
        {"host", "", 0},
        {"a:b:9x", "a:b", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct json_value value = {
            .kind = JSON_STRING, .bytes = rows[i].text, .len = strlen(rows[i].text)};
        const char *address;
        size_t len;

        assert_int_equal(log_address(&value, &address, &len), rows[i].port);
        assert_int_equal(len, strlen(rows[i].address));
        assert_memory_equal(address, rows[i].address, len);
    }
}

TEST_MAIN()
