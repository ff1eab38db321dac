#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/words.h"
#include "shim/ground/format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXTS 16
#define TEXT_BYTES 1024

static char *next(void)
{
    static char texts[TEXTS][TEXT_BYTES];
    static unsigned at;

    return texts[at++ % TEXTS];
}

static char *grouped(uint64_t n)
{
    char digits[24], *text = next(), *to = text;
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

const char *words_number(uint64_t n)
{
    return grouped(n);
}

const char *words_bytes(uint64_t bytes)
{
    struct text t = text_over(next(), TEXT_BYTES - 1);

    text_amount(&t, bytes);
    t.bytes[t.len] = '\0';
    return t.bytes;
}

const char *words_count(uint64_t n, const char *word)
{
    char *text = grouped(n);
    size_t len = strlen(text);

    snprintf(text + len, TEXT_BYTES - len, " %s%s", word, n == 1 ? "" : "s");
    return text;
}

const char *words_time(int64_t time, bool date)
{
    time_t seconds = time / 1000000;
    struct tm tm;
    char *text = next();

    gmtime_r(&seconds, &tm);
    strftime(text, TEXT_BYTES, date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
    return text;
}

const char *words_duration_ms(uint64_t ms)
{
    unsigned long long n = ms;
    char *text = next();

    if (n < 1000)
        snprintf(text, TEXT_BYTES, "%llu ms", n);
    else if (n < 60000)
        snprintf(text, TEXT_BYTES, "%llu.%llu s", n / 1000, n / 100 % 10);
    else if (n < 3600000)
        snprintf(text, TEXT_BYTES, "%llu min", n / 60000);
    else
        snprintf(text, TEXT_BYTES, "%llu h %llu min", n / 3600000, n / 60000 % 60);
    return text;
}

/* How many bytes a character has that begins with this one; and the least value of so many. */
static size_t utf8_length(unsigned char first)
{
    return first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
}

size_t words_character(const char *text)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t len = utf8_length(t[0]);

    if (t[0] >= ' ' && t[0] < 0x7f)
        return 1;
    if (t[0] < 0xc2 || t[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((t[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than needed, surrogates, beyond the last; C1 controls; what changes the direction of writing. */
    if ((t[0] == 0xe0 && t[1] < 0xa0) || (t[0] == 0xed && t[1] > 0x9f) ||
        (t[0] == 0xf0 && t[1] < 0x90) || (t[0] == 0xf4 && t[1] > 0x8f) ||
        (t[0] == 0xc2 && t[1] < 0xa0) || (t[0] == 0xe2 && (t[1] == 0x80 || t[1] == 0x81)))
        return 0;
    return len;
}

size_t words_columns(const char *text)
{
    size_t columns = 0;

    for (; *text; text++)
        columns += (*text & 0xc0) != 0x80;
    return columns;
}

/* Skips characters of a plain text from the left until so many are left. */
static const char *last_columns(const char *text, size_t most)
{
    for (size_t columns = words_columns(text); columns > most; columns--)
        do
            text++;
        while ((*text & 0xc0) == 0x80);
    return text;
}

const char *words_plain(const char *text, size_t most)
{
    char *plain = next(), *cut;
    size_t len = 0;

    /* The end tells more, of a path and of a nested name. */
    if (strlen(text) > TEXT_BYTES / 4 - 4)
        text += strlen(text) - (TEXT_BYTES / 4 - 4);
    while (*text) {
        size_t n = words_character(text);

        if (n)
            memcpy(plain + len, text, n);
        len += n ? n : (size_t)sprintf(plain + len, "\\x%02x", (unsigned char)*text);
        text += n ? n : 1;
    }
    plain[len] = '\0';
    if (most < 4 || words_columns(plain) <= most)
        return plain;
    cut = next();
    snprintf(cut, TEXT_BYTES, "...%.*s", TEXT_BYTES - 4, last_columns(plain, most - 3));
    return cut;
}

const char *words_path(const char *path, size_t most)
{
    const char *plain = words_plain(path, 0), *end = last_columns(plain, most > 3 ? most - 3 : 1);
    const char *slash = strchr(end, '/');
    char *text = next();

    if (words_columns(plain) <= most)
        return plain;
    snprintf(text, TEXT_BYTES, "...%s", slash && slash[1] ? slash : end);
    return text;
}

const char *words_function(const char *name)
{
    char *text = next();
    size_t len = 0;
    unsigned depth = 0;

    if (strstr(name, "operator") || name[0] == '<')
        return name;
    for (const char *p = name; *p && *p != '@' && len + 1 < TEXT_BYTES; p++) {
        if (*p == '>' && depth && p[-1] != '-') {
            depth--;
            continue;
        }
        depth += *p == '<';
        if (!depth)
            text[len++] = *p;
    }
    text[len] = '\0';
    return text;
}

const char *words_file(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}
