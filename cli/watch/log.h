/*
 * The library's log beside the kernel's events: of a close that both tell the library knows how much was unread, what
 * it looked like and what was lost.
 *
 * The log is read on as it grows; if it is replaced (rotated), the new one from its beginning. Bounds: 16384 closes are
 * remembered; a newer one takes the place of an older.
 */
#ifndef SAFECLOSE_WATCH_LOG_H
#define SAFECLOSE_WATCH_LOG_H

#include "trace/endpoint.h"

#include <stdbool.h>

struct logged_close {
    struct endpoint local;
    struct endpoint peer;
    int64_t time; /* us since 1970; 0: none */
    uint64_t unread;
    uint64_t unacked;
    uint64_t unsent;
    char content[16]; /* as in the log, "" if unknown */
    char cookie[24];  /* "0x51", or "" */
};

/* Opens it, and goes to its end. False, and says why, if it can't be read. */
bool watch_log_open(const char *path);

/* Reads what was written meanwhile. */
void watch_log_read(void);

/* The close of that connection within two seconds of this time (ns since 1970); NULL if the log has none. */
const struct logged_close *watch_log_find(const struct endpoint *local, const struct endpoint *peer,
                                          int64_t now);

#endif
