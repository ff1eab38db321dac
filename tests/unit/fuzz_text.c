/*
 * Any bytes in a log: a line of text holds printable ASCII alone, a JSON string ends where it
 * should, and both can be read back to the bytes that they came from.
 */
#include "../../shim/ground/format.c"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static int digit(char c)
{
    check((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static uint8_t hex(const char *two)
{
    return (uint8_t)(digit(two[0]) << 4 | digit(two[1]));
}

/* How many bytes were read back. */
static size_t read_plain(const struct text *t, const uint8_t *data, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < t->len; n++) {
        uint8_t c = (uint8_t)t->bytes[i];

        check(c >= 0x20 && c <= 0x7e && n < size);
        if (c != '\\') {
            check(data[n] == c);
            i++;
            continue;
        }
        if (t->cut && i + 4 > t->len)
            break;
        check(i + 4 <= t->len && t->bytes[i + 1] == 'x' && hex(t->bytes + i + 2) == data[n]);
        i += 4;
    }
    return n;
}

/* Each of the characters has one shortest form, and no half of a pair (RFC 3629). */
static size_t utf8(const uint8_t *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t point = n == 1 ? s[0] : s[0] & (0xffU >> (n + 1));

    check((s[0] < 0x80 || s[0] >= 0xc0) && s[0] < 0xf8 && n <= len);
    for (size_t i = 1; i < n; i++) {
        check((s[i] & 0xc0) == 0x80);
        point = point << 6 | (s[i] & 0x3f);
    }
    check(point >= least[n] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
    check(point >= 0x20 && (point < 0x7f || point > 0x9f));
    return n;
}

/* The bytes of data that stand for the escape at s; its length. */
static size_t read_escape(const char *s, size_t len, const uint8_t *data, size_t size, size_t *n)
{
    uint8_t c;

    check(len >= 2 && size >= 1);
    if (s[1] != 'u') {
        check((s[1] == '"' || s[1] == '\\') && data[0] == (uint8_t)s[1]);
        *n = 1;
        return 2;
    }
    check(len >= 6 && s[2] == '0' && s[3] == '0');
    c = hex(s + 4);
    *n = data[0] == c ? 1 : 2;
    check(*n == 1 || (size >= 2 && data[0] == 0xc2 && data[1] == c && c >= 0x80 && c < 0xa0));
    return 6;
}

static size_t read_json(const struct text *t, const uint8_t *data, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < t->len;) {
        size_t n;

        check(t->bytes[i] != '"');
        if (t->bytes[i] == '\\') {
            i += read_escape(t->bytes + i, t->len - i, data + at, size - at, &n);
        } else {
            n = utf8((const uint8_t *)t->bytes + i, t->len - i);
            check(n <= size - at && memcmp(t->bytes + i, data + at, n) == 0);
            i += n;
        }
        at += n;
    }
    return at;
}

static void write_and_read(const uint8_t *data, size_t size, size_t cap)
{
    char *bytes = malloc(cap ? cap : 1);
    struct text t;
    size_t n;

    check(bytes != NULL);
    t = text_over(bytes, cap);
    text_plain(&t, (const char *)data, size);
    n = read_plain(&t, data, size);
    check(t.cut ? n < size || size == 0 : n == size);
    t = text_over(bytes, cap);
    text_json(&t, (const char *)data, size);
    n = read_json(&t, data, size);
    check(t.cut ? n < size : n == size);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    write_and_read(data, size, 6 * size + 6); /* the longest escape for each */
    write_and_read(data, size, size ? data[0] : 0);
    return 0;
}
