/*
 * Text for logs, made without stdio: signal-safe, bounded, never allocates. A text that does not
 * fit is cut at its capacity and remembers it. Nothing here calls anything of ours; callable from
 * anywhere.
 */
#ifndef SAFECLOSE_FORMAT_H
#define SAFECLOSE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names stand in their tables, which then need no relocation: room for the longest one and its end. */
#define NAME_SIZE 16

struct text {
    char *bytes; /* not terminated */
    size_t len;
    size_t cap;
    bool cut; /* something did not fit */
};

/* An empty text over the caller's bytes. */
struct text text_over(char *bytes, size_t cap);

/* Appends len bytes as they are. */
void text_bytes(struct text *t, const void *bytes, size_t len);

/*
 * Appends by a format: %s, %c, %d, %u, %ld, %lu, %lld, %llu, %lx, %llx and %%; a width with a
 * leading 0
 * (%02u) pads with zeros. Anything else is copied as it stands.
 */
void text_put(struct text *t, const char *format, ...) __attribute__((format(__printf__, 2, 3)));

/* Appends what a JSON string may hold: quotes and backslashes escaped, every control character and
 * every byte that is not part of valid UTF-8 as \u00XX (RFC 8259, RFC 3629). Cut between
 * characters. */
void text_json(struct text *t, const char *bytes, size_t len);

/* Appends bytes so that no terminal and no line reader can be fooled: all but printable ASCII as
 * \xXX. */
void text_plain(struct text *t, const char *bytes, size_t len);

/* "1 byte", "1024 bytes"; from FORMAT_UNITS on "11.9 kB", "3.9 MB", in steps of 1000. */
#define FORMAT_UNITS 10000
void text_amount(struct text *t, uint64_t bytes);

/* An address as strace and lsof write it: 127.0.0.1:80, [::1]:80; an IPv4-mapped one as IPv4. addr
 * holds 4 bytes where v4, else 16, in network order; the port in host order. */
void text_address(struct text *t, const uint8_t *addr, bool v4, unsigned port);

/* UTC from seconds and nanoseconds since 1970: "2026-11-22T06:31:07.123456Z" with a date, with
 * milliseconds and without the date "06:31:07.123Z". */
void text_time(struct text *t, int64_t seconds, long nanoseconds, bool date);

#endif
