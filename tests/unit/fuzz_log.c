/*
 * Fuzzes what reads logs for safeclose report: the bytes are a log. What its lines hold must stay within the line and
 * the bounds that adding up relies on, and what is shown of it must be plain. Events are added to one report that grows
 * with all inputs, so that its tables run full.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gather/gather.h"
#include "log/json.h"
#include "log/event.h"
#include "report/words.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct report_options options = {.error_causes = "unread-data", .form = FORM_HTML};
static struct report report;

static void check(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_plain(const char *text)
{
    for (; *text; text++)
        check((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* A view of the line; and its text, which fits whatever the room. */
static void check_value(const struct json_value *v, const char *line, size_t len)
{
    char text[64];

    if (v->kind == JSON_NONE)
        return;
    check(v->bytes >= line && v->len <= len && v->bytes + v->len <= line + len);
    for (size_t cap = 5; cap <= sizeof(text); cap += 59) {
        size_t n = json_text(v, text, cap);

        check(n < cap && !text[n] && strlen(text) == n);
        check_plain(words_plain(text, 20));
        check(words_columns(words_plain(text, 20)) <= 20);
        check_plain(words_path(text, 20));
        check(words_columns(words_path(text, 20)) <= 20);
        check(strlen(words_function(text)) <= n);
    }
}

static void check_nested(const struct json_value *v)
{
    struct json_value key, value;
    struct json json;

    if (v->kind != JSON_ARRAY && v->kind != JSON_OBJECT)
        return;
    json_begin(&json, v->bytes, v->len);
    while (v->kind == JSON_ARRAY ? json_element(&json, &value) : json_member(&json, &key, &value))
        check_value(&value, v->bytes, v->len);
}

static void check_event(const struct log_event *e, const char *line, size_t len)
{
    const uint64_t bound = UINT64_C(1) << 33;
    const char *address;
    size_t address_len;

    check(e->time >= 946684800000000 && e->time < 4102444801000000);
    check(e->unread <= bound && e->unacked <= bound && e->pid <= bound && e->ms <= bound);
    for (const struct json_value *v = &e->comm; v <= &e->cookie; v++)
        check_value(v, line, len);
    check(log_address(&e->peer, &address, &address_len) < 65536 && address_len <= e->peer.len);
    check_nested(&e->stack);
    check_nested(&e->outcomes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *log = malloc(size + 1), *line = log, *end;
    struct log_event event;

    if (!report.options)
        gather_begin(&report, &options);
    gather_file(&report);
    if (size)
        memcpy(log, bytes, size);
    log[size] = '\n';
    for (; line < log + size; line = end + 1) {
        size_t len;

        end = memchr(line, '\n', (size_t)(log + size + 1 - line));
        len = (size_t)(end - line);
        if (log_event_read(&event, line, len)) {
            check_event(&event, line, len);
            gather_event(&report, &event);
        }
    }
    check(report.totals.later <= report.totals.resets);
    free(log);
    return 0;
}
