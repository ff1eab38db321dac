/* Reads the library's log: one event a line, in JSON. */
#define _GNU_SOURCE
#include "referee.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* HOLD_OTHER's connection is not what is judged. */
#define OTHER_PREFIX "127.255.0.1:"

static const char *value_of(const char *line, const char *end, const char *key)
{
    char quoted[32];
    int n = snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *found = memmem(line, (size_t)(end - line), quoted, (size_t)n);

    return found ? found + n : NULL;
}

static void text_of(const char *line, const char *end, const char *key, char *text, size_t size)
{
    const char *value = value_of(line, end, key);
    size_t n = 0;

    if (value && *value == '"')
        for (value++; *value != '"' && value < end && n + 1 < size; value++)
            text[n++] = *value;
    text[n] = '\0';
}

static long number_of(const char *line, const char *end, const char *key)
{
    const char *value = value_of(line, end, key);

    return value ? strtol(value, NULL, 10) : -1;
}

static bool is_true(const char *line, const char *end, const char *key)
{
    const char *value = value_of(line, end, key);

    return value && strncmp(value, "true", 4) == 0;
}

static bool next(const char *log, long *at, long end, const char *kind, struct said *said)
{
    memset(said, 0, sizeof *said);
    while (*at < end) {
        const char *line = log + *at;
        const char *newline = memchr(line, '\n', (size_t)(end - *at));
        char event[16], cookie[32];

        if (!newline)
            return false;
        *at = newline + 1 - log;
        text_of(line, newline, "event", event, sizeof event);
        text_of(line, newline, "local", said->local, sizeof said->local);
        if (strcmp(event, kind) != 0 ||
            strncmp(said->local, OTHER_PREFIX, strlen(OTHER_PREFIX)) == 0)
            continue;
        said->found = true;
        said->pid = (int)number_of(line, newline, "pid");
        said->fd = (int)number_of(line, newline, "fd");
        said->unread = number_of(line, newline, "unread");
        said->unacked = number_of(line, newline, "unacked");
        said->unsent = number_of(line, newline, "unsent");
        said->pending = number_of(line, newline, "pending");
        said->discarded = number_of(line, newline, "discarded");
        text_of(line, newline, "via", said->via, sizeof said->via);
        text_of(line, newline, "peer", said->peer, sizeof said->peer);
        text_of(line, newline, "state", said->state, sizeof said->state);
        text_of(line, newline, "cause", said->cause, sizeof said->cause);
        text_of(line, newline, "action", said->action, sizeof said->action);
        text_of(line, newline, "outcome", said->outcome, sizeof said->outcome);
        text_of(line, newline, "note", said->note, sizeof said->note);
        text_of(line, newline, "ended_by", said->ended_by, sizeof said->ended_by);
        text_of(line, newline, "cookie", cookie, sizeof cookie);
        said->cookie = strtoull(cookie, NULL, 16);
        said->urgent = is_true(line, newline, "urgent");
        said->mono = (uint64_t)number_of(line, newline, "mono_ns");
        said->confirmed = is_true(line, newline, "confirmed");
        return true;
    }
    return false;
}

bool said_next(const char *log, long *at, long end, struct said *said)
{
    return next(log, at, end, "close", said);
}

bool said_next_late(const char *log, long *at, long end, struct said *said)
{
    return next(log, at, end, "close-end", said);
}

bool said_next_end(const char *log, long *at, long end, struct said *said)
{
    return next(log, at, end, "linger-end", said);
}
