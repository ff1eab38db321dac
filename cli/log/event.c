#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "log/event.h"

#include <stddef.h>
#include <string.h>

/* More than any queue holds, and little enough that a billion of them can be added up. */
#define MOST_BYTES (UINT64_C(1) << 33)

/* As watch's own bound: it keeps a hostile sum small. */
#define MOST_WEIGHT 1024

enum form { TEXT, NUMBER, TRUTH, TIME, KIND, VERSION, ANY };

struct key {
    const char *name;
    uint8_t len;
    uint8_t form;
    uint16_t at;
};

#define KEY(form, member)                                                                          \
    {                                                                                              \
#member, sizeof(#member) - 1, form, offsetof(struct log_event, member)                     \
    }

/* In the order in which the library writes them: the next key is most often the next row. */
static const struct key keys[] = {
    {"v", 1, VERSION, 0},
    KEY(TIME, time),
    {"event", 5, KIND, 0},
    KEY(NUMBER, pid),
    KEY(TEXT, comm),
    KEY(TEXT, via),
    KEY(TEXT, local),
    KEY(TEXT, peer),
    KEY(TEXT, cause),
    KEY(NUMBER, pending),
    KEY(NUMBER, unread),
    KEY(NUMBER, unacked),
    KEY(NUMBER, unsent),
    KEY(TEXT, action),
    KEY(TEXT, outcome),
    KEY(TRUTH, confirmed),
    KEY(NUMBER, discarded),
    KEY(TEXT, opened_by),
    KEY(TEXT, progress),
    KEY(TEXT, content),
    KEY(TEXT, note),
    KEY(ANY, stack),
    KEY(TRUTH, truncated),
    KEY(TEXT, cookie),
    KEY(NUMBER, netns),
    KEY(TEXT, ended_by),
    KEY(NUMBER, ms),
    KEY(TEXT, executable),
    KEY(TEXT, build_id),
    KEY(TEXT, mode),
    KEY(TEXT, host),
    KEY(NUMBER, closes),
    KEY(ANY, causes),
    KEY(ANY, actions),
    KEY(ANY, outcomes),
    KEY(NUMBER, rst_later),
    KEY(NUMBER, peer_may_send),
    KEY(NUMBER, at_risk),
    KEY(NUMBER, forgotten),
    KEY(NUMBER, too_early),
    KEY(NUMBER, suppressed),
    KEY(NUMBER, lost),
    KEY(TEXT, given_up),
    KEY(TRUTH, so_far),
    KEY(TEXT, direction),
    {"unacked_then", 12, NUMBER, offsetof(struct log_event, unacked)},
    {"unsent_then", 11, NUMBER, offsetof(struct log_event, unsent)},
    KEY(NUMBER, weight),
    KEY(TRUTH, sampled),
    KEY(TRUTH, unwritten),
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

bool log_is(const struct json_value *value, const char *text)
{
    return value->kind == JSON_STRING && value->len == strlen(text) &&
           memcmp(value->bytes, text, value->len) == 0;
}

unsigned log_address(const struct json_value *value, const char **address, size_t *len)
{
    const char *colon;
    unsigned port = 0;

    *address = "";
    *len = 0;
    colon = value->kind == JSON_STRING ? memrchr(value->bytes, ':', value->len) : NULL;
    if (!colon)
        return 0;
    *address = value->bytes;
    *len = (size_t)(colon - value->bytes);
    if (*len > 1 && **address == '[' && (*address)[*len - 1] == ']') {
        ++*address;
        *len -= 2;
    }
    for (const char *p = colon + 1; p < value->bytes + value->len && port < 65536; p++)
        port = *p >= '0' && *p <= '9' ? port * 10 + (unsigned)(*p - '0') : 65536;
    return port < 65536 ? port : 0;
}

static bool digits(const char *text, unsigned from, unsigned count, unsigned *number)
{
    *number = 0;
    for (unsigned i = from; i < from + count; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (digit > 9)
            return false;
        *number = *number * 10 + digit;
    }
    return true;
}

/* Days since 1970 of a date from 2000 on, in the Gregorian calendar. */
static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    unsigned leap_days = (year - 1968) / 4 - (month <= 2 && year % 4 == 0);

    return (int64_t)(year - 1970) * 365 + leap_days + before[month - 1] + day - 1;
}

bool log_time(const char *text, size_t len, int64_t *time)
{
    unsigned year, month, day, hour, minute, second, micro;

    if (len != 27 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':' || text[19] != '.' || text[26] != 'Z' || !digits(text, 0, 4, &year) ||
        !digits(text, 5, 2, &month) || !digits(text, 8, 2, &day) || !digits(text, 11, 2, &hour) ||
        !digits(text, 14, 2, &minute) || !digits(text, 17, 2, &second) ||
        !digits(text, 20, 6, &micro))
        return false;
    if (year < 2000 || year > 2099 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    *time = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    *time = *time * 1000000 + micro;
    return true;
}

static enum log_kind kind_of(const struct json_value *value)
{
    static const char *const names[] = {"close", "close-end", "linger-end", "start",
                                        "mode",  "summary",   "reset",      "watch-end"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (log_is(value, names[i]))
            return (enum log_kind)i;
    return LOG_OTHER;
}

/* False if the value isn't what the key has. */
static bool store(struct log_event *e, const struct key *key, const struct json_value *value)
{
    void *member = (char *)e + key->at;
    uint64_t number;

    switch ((enum form)key->form) {
    case TEXT:
    case ANY:
        *(struct json_value *)member = *value;
        return key->form == ANY || value->kind == JSON_STRING;
    case NUMBER:
        e->output_known |= key->at == offsetof(struct log_event, unacked);
        return json_number(value, MOST_BYTES, member);
    case TRUTH:
        *(bool *)member = value->kind == JSON_TRUE;
        /* "confirmed" of a summary is a number. */
        return value->kind == JSON_TRUE || value->kind == JSON_FALSE || value->kind == JSON_NUMBER;
    case TIME:
        return value->kind == JSON_STRING && log_time(value->bytes, value->len, member);
    case KIND:
        e->kind = kind_of(value);
        return value->kind == JSON_STRING;
    case VERSION:
        return json_number(value, MOST_BYTES, &number);
    }
    return false;
}

static const struct key *find(const struct json_value *key, unsigned *next)
{
    for (unsigned i = 0; i < KEYS; i++) {
        const struct key *k = &keys[(*next + i) % KEYS];

        if (k->len == key->len && memcmp(k->name, key->bytes, k->len) == 0) {
            *next = (unsigned)(k - keys + 1);
            return k;
        }
    }
    return NULL;
}

static uint64_t weight_of(const struct log_event *e)
{
    if (e->kind != LOG_RESET || !e->weight)
        return 1;
    return e->weight < MOST_WEIGHT ? e->weight : MOST_WEIGHT;
}

static bool has_what_it_needs(const struct log_event *e)
{
    if (e->kind == LOG_CLOSE || e->kind == LOG_CLOSE_END || e->kind == LOG_LINGER_END ||
        e->kind == LOG_RESET)
        return e->time && e->cause.kind && e->outcome.kind;
    return e->time != 0;
}

bool log_event_read(struct log_event *e, const char *line, size_t len)
{
    struct json_value key, value;
    unsigned next = 0;
    struct json json;
    bool versioned = false, named = false;

    memset(e, 0, sizeof(*e));
    json_begin(&json, line, len);
    while (json_member(&json, &key, &value)) {
        const struct key *known = find(&key, &next);

        if (known && !store(e, known, &value))
            return false;
        versioned |= known && known->form == VERSION;
        named |= known && known->form == KIND;
    }
    e->weight = weight_of(e);
    return !json.broken && versioned && named && has_what_it_needs(e);
}
