#include "ground/format.h"

#include <stdarg.h>
#include <string.h>

struct text text_over(char *bytes, size_t cap)
{
    struct text t = {.bytes = bytes, .cap = cap};
    return t;
}

void text_bytes(struct text *t, const void *bytes, size_t len)
{
    size_t room = t->cap - t->len;

    if (len > room) {
        len = room;
        t->cut = true;
    }
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static void put_number(struct text *t, unsigned long long n, unsigned base, int width,
                       bool negative)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n);
    while (width > (int)(sizeof(digits) - at) && at > 1)
        digits[--at] = '0';
    if (negative)
        digits[--at] = '-';
    text_bytes(t, digits + at, sizeof(digits) - at);
}

/* Writes one conversion. format: after its '%'; returns the rest of the format. */
static const char *put_conversion(struct text *t, const char *f, va_list *args)
{
    int width = 0;
    int longs = 0;
    long long n;

    for (; *f >= '0' && *f <= '9'; f++)
        width = width * 10 + (*f - '0');
    for (; *f == 'l'; f++)
        longs++;
    switch (*f) {
    case 's': {
        const char *s = va_arg(*args, const char *);
        text_bytes(t, s, strlen(s));
        break;
    }
    case 'c': {
        char c = (char)va_arg(*args, int);
        text_bytes(t, &c, 1);
        break;
    }
    case 'd':
        n = longs > 1 ? va_arg(*args, long long) : longs ? va_arg(*args, long) : va_arg(*args, int);
        put_number(t, n < 0 ? 0ULL - (unsigned long long)n : (unsigned long long)n, 10, width,
                   n < 0);
        break;
    case 'u':
    case 'x': {
        unsigned long long u = longs > 1 ? va_arg(*args, unsigned long long)
                               : longs   ? va_arg(*args, unsigned long)
                                         : va_arg(*args, unsigned);
        put_number(t, u, *f == 'x' ? 16 : 10, width, false);
        break;
    }
    case '\0':
        return f;
    default:
        text_bytes(t, f, 1);
    }
    return f + 1;
}

void text_put(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (const char *f = format; *f;) {
        size_t plain = strcspn(f, "%");
        text_bytes(t, f, plain);
        f += plain;
        if (*f == '%')
            f = put_conversion(t, f + 1, &args);
    }
    va_end(args);
}

/* The length of the UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates), 0 if none is.
 */
static size_t utf8_length(const unsigned char *s, size_t len)
{
    size_t want;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        want = 2;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        want = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        want = 4;
    else
        return 0;
    if (want > len)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return want;
}

/* C1 controls are valid UTF-8 (c2 80..9f) and move a terminal's cursor all the same. */
static bool is_control(const unsigned char *s, size_t len)
{
    return s[0] < 0x20 || s[0] == 0x7f || (len == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

void text_json(struct text *t, const char *bytes, size_t len)
{
    const unsigned char *s = (const unsigned char *)bytes;

    while (len) {
        size_t n = utf8_length(s, len);

        /* Half an escape would make the whole line unreadable; six bytes is the longest. */
        if (t->cap - t->len < 6) {
            t->cut = true;
            return;
        }
        if (n == 0 || is_control(s, n)) {
            /* A C1 control is one character of two bytes; its number is the second byte. */
            text_put(t, "\\u00%02x", n == 2 ? s[1] : s[0]);
            n = n ? n : 1;
        } else {
            if (*s == '"' || *s == '\\')
                text_bytes(t, "\\", 1);
            text_bytes(t, s, n);
        }
        s += n;
        len -= n;
    }
}

void text_plain(struct text *t, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c < 0x20 || c > 0x7e || c == '\\')
            text_put(t, "\\x%02x", c);
        else
            text_bytes(t, &c, 1);
    }
}

void text_amount(struct text *t, uint64_t bytes)
{
    const char *unit = "kMGTPE";
    unsigned long long tenths = bytes / 100 + (bytes % 100 >= 50);

    if (bytes < FORMAT_UNITS) {
        text_put(t, "%llu byte%s", (unsigned long long)bytes, bytes == 1 ? "" : "s");
        return;
    }
    for (; tenths >= 10000; unit++)
        tenths = (tenths + 500) / 1000;
    text_put(t, "%llu.%llu %cB", tenths / 10, tenths % 10, *unit);
}

/* RFC 5952: the longest run of two or more zero groups is written "::", the first of equals. */
static void put_ipv6(struct text *t, const uint8_t *addr)
{
    unsigned group[8];
    int best = -1;
    int best_len = 1;

    for (int i = 0; i < 8; i++)
        group[i] = (unsigned)addr[2 * i] << 8 | addr[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group[i + n] == 0)
            n++;
        if (n > best_len) {
            best = i;
            best_len = n;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            text_put(t, "::");
            i += best_len - 1;
            continue;
        }
        text_put(t, i && i != best + best_len ? ":%x" : "%x", group[i]);
    }
}

void text_address(struct text *t, const uint8_t *addr, bool v4, unsigned port)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (!v4 && memcmp(addr, mapped, sizeof(mapped)) == 0) {
        addr += sizeof(mapped);
        v4 = true;
    }
    if (v4) {
        text_put(t, "%u.%u.%u.%u:%u", addr[0], addr[1], addr[2], addr[3], port);
        return;
    }
    text_put(t, "[");
    put_ipv6(t, addr);
    text_put(t, "]:%u", port);
}

/* The civil date of a day counted from 1970-01-01, by eras of 400 years that begin on a 1 March. */
static void civil_date(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned of_era = (unsigned)(shifted - era * 146097);
    unsigned of_era_year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    unsigned from_march = (5 * of_year + 2) / 153;

    *day = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = of_era_year + era * 400 + (*month <= 2);
}

void text_time(struct text *t, int64_t seconds, long nanoseconds, bool date)
{
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;

    if (rest < 0) {
        rest += 86400;
        days--;
    }
    if (date) {
        int64_t year;
        unsigned month;
        unsigned day;
        civil_date(days, &year, &month, &day);
        text_put(t, "%04lld-%02u-%02uT", (long long)year, month, day);
    }
    text_put(t, "%02u:%02u:%02u", (unsigned)(rest / 3600), (unsigned)(rest / 60 % 60),
             (unsigned)(rest % 60));
    if (date)
        text_put(t, ".%06ldZ", nanoseconds / 1000);
    else
        text_put(t, ".%03ldZ", nanoseconds / 1000000);
}
