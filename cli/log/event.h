/*
 * One line of a log (libsafeclose(7), JSON) as a struct. Pure. Keys that it doesn't know are passed over,
 * because new ones may come.
 */
#ifndef SAFECLOSE_LOG_EVENT_H
#define SAFECLOSE_LOG_EVENT_H

#include "log/json.h"

enum log_kind {
    LOG_CLOSE,
    LOG_CLOSE_END,
    LOG_LINGER_END,
    LOG_START,
    LOG_MODE,
    LOG_SUMMARY,
    LOG_RESET, /* of safeclose watch, as the next */
    LOG_WATCH_END,
    LOG_OTHER /* of a newer version */
};

struct log_event {
    enum log_kind kind;
    int64_t time; /* microseconds since 1970 */

    /* Strings; what is missing has the kind JSON_NONE. */
    struct json_value comm, via, local, peer, cause, action, outcome, content, note, ended_by;
    struct json_value opened_by, progress, executable, build_id, mode, host, given_up;
    struct json_value direction, cookie;

    struct json_value stack;  /* an array */
    struct json_value causes; /* of a summary: an object */
    struct json_value outcomes, actions;

    uint64_t pid, unread, unacked, unsent, discarded, ms, pending, netns;
    uint64_t weight; /* how many resets one of watch stands for; else 1 */
    uint64_t closes, rst_later, peer_may_send, at_risk, forgotten, too_early, suppressed, lost;
    bool confirmed, truncated, so_far, sampled, unwritten;
    bool output_known; /* unacked and unsent are there; of watch, soon after the close */
};

/* False if the line is no event: torn, of another program, or with a value that can't be. */
bool log_event_read(struct log_event *event, const char *line, size_t len);

/* Whether a value is this string. */
bool log_is(const struct json_value *value, const char *text);

/* The port of "127.0.0.1:80" or "[::1]:80", 0 if there is none, and the address before it, without brackets. */
unsigned log_address(const struct json_value *value, const char **address, size_t *len);

/* "2026-11-22T06:31:07.123456Z" to microseconds since 1970; false if it isn't of that form, or not of
 * 2000 to 2099. */
bool log_time(const char *text, size_t len, int64_t *time);

#endif
