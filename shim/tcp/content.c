#include "ground/format.h"
#include "tcp/content.h"

#include <stdbool.h>
#include <string.h>

struct view {
    const uint8_t *at;
    size_t size;
};

static bool begins(struct view v, const char *word)
{
    size_t len = strlen(word);

    return v.size >= len && memcmp(v.at, word, len) == 0;
}

static bool contains(struct view v, const char *word)
{
    for (; v.size; v.at++, v.size--)
        if (begins(v, word))
            return true;
    return false;
}

/* How many of v's first bytes in a row is_one holds for. */
static size_t span(struct view v, bool (*is_one)(uint8_t c))
{
    size_t n = 0;

    while (n < v.size && is_one(v.at[n]))
        n++;
    return n;
}

static bool is_upper(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || c == '-';
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Of a form (the URL standard, application/x-www-form-urlencoded). */
static bool is_form(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("%+._~*=&-", c));
}

static bool is_in_line(uint8_t c)
{
    return c != '\n';
}

/*
 * A record of TLS (RFC 8446, 5.1): type, version 3.x, length. In TLS 1.3 alerts travel as data; the
 * last record of the queue is one where it has just their size: 2 bytes, their type and a tag
 * of 16.
 */
static enum content tls_of(struct view v, uint64_t unread)
{
    unsigned length;

    if (v.size < 5 || v.at[1] != 3 || v.at[2] > 4)
        return CONTENT_NONE;
    length = (unsigned)v.at[3] << 8 | v.at[4];
    if (length == 0 || length > (1 << 14) + 2048) /* TLS 1.2's limit; 1.3 has a lower one */
        return CONTENT_NONE;
    switch (v.at[0]) {
    case 20: /* change_cipher_spec */
    case 22:
        return CONTENT_TLS_HANDSHAKE;
    case 21:
        return CONTENT_TLS_ALERT;
    case 23:
        return length == 19 && unread == 24 ? CONTENT_TLS_ALERT : CONTENT_TLS_DATA;
    default:
        return CONTENT_NONE;
    }
}

/* A method, a space, a target, and where the line ends the version (RFC 9112, 3). */
static bool is_request(struct view v)
{
    size_t method = span(v, is_upper);
    struct view line = v;
    struct view target = {v.at + method + 1, v.size - method - 1};

    if (method < 3 || method > 20 || method + 1 >= v.size || v.at[method] != ' ')
        return false;
    if (*target.at != '/' && *target.at != '*' && !begins(target, "http") && !begins(v, "CONNECT "))
        return false;
    line.size = span(v, is_in_line);
    return line.size == v.size || contains(line, " HTTP/");
}

/* The size of a chunk on a line of its own (RFC 9112, 7.1), below 16 MB: "deadbeef" is a word; and
 * some of the chunk. */
static bool is_chunk(struct view v)
{
    size_t digits = span(v, is_hex);
    struct view rest = {v.at + digits, v.size - digits};

    return digits >= 1 && digits <= 6 && rest.size > 2 && begins(rest, "\r\n");
}

/* Names and values, all of it; base64 ends with "=", or has none. */
static bool is_form_data(struct view v)
{
    const uint8_t *equals = memchr(v.at, '=', v.size);

    return equals && equals + 1 < v.at + v.size && equals[1] != '=' && span(v, is_form) == v.size;
}

/* Most unread bodies begin somewhere in their middle, where only some show what they are. */
static bool is_body(struct view v)
{
    return is_chunk(v) || (begins(v, "--") && contains(v, "\r\nContent-")) ||
           contains(v, "\r\nContent-Disposition: form-data;") || is_form_data(v);
}

static bool is_continuation(uint8_t c)
{
    return c >= 0x80 && c < 0xc0;
}

static bool is_printable(uint8_t c)
{
    return c >= ' ' ? c != 0x7f : c == '\n' || c == '\r' || c == '\t';
}

/* UTF-8 without control characters; the first and the last character may be cut. */
static bool is_text(struct view v)
{
    size_t more = 0; /* bytes of the character that are still to come */
    size_t i = span(v, is_continuation);

    if (i > 3 || i == v.size)
        return false;
    for (; i < v.size; i++) {
        uint8_t c = v.at[i];

        if (is_continuation(c)) {
            if (more-- == 0)
                return false;
        } else if (more || !is_printable(c) || c == 0xc0 || c == 0xc1 || c > 0xf4) {
            return false;
        } else {
            more = (c > 0x7f) + (c > 0xdf) + (c > 0xef);
        }
    }
    return more < v.size;
}

enum content content_of(const uint8_t *bytes, size_t size, uint64_t unread)
{
    struct view v = {bytes, size};
    enum content tls;

    if (size == 0)
        return CONTENT_NONE;
    tls = tls_of(v, unread);
    if (tls != CONTENT_NONE)
        return tls;
    if (begins(v, "SSH-"))
        return CONTENT_SSH;
    if (is_request(v))
        return CONTENT_HTTP_REQUEST;
    if (is_body(v))
        return CONTENT_HTTP_BODY;
    return is_text(v) ? CONTENT_TEXT : CONTENT_BINARY;
}
