#include "log/json.h"

#include <string.h>

/* Our log nests two deep. It bounds what a hostile line costs. */
#define MOST_DEPTH 32

static void skip_blanks(struct json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\r'))
        j->at++;
}

static bool is_next(struct json *j, char c)
{
    skip_blanks(j);
    if (j->at == j->end || *j->at != c)
        return false;
    j->at++;
    return true;
}

static bool broken(struct json *j)
{
    j->broken = true;
    return false;
}

void json_begin(struct json *j, const char *bytes, size_t len)
{
    char close;

    if (!len)
        bytes = ""; /* of a value that is not there */
    *j = (struct json){.at = bytes, .end = bytes + len};
    skip_blanks(j);
    while (j->at < j->end && strchr(" \t\r\n", j->end[-1]) && j->end[-1])
        j->end--;
    close = j->at < j->end && *j->at == '{' ? '}' : ']';
    if (j->end - j->at < 2 || (*j->at != '{' && *j->at != '[') || j->end[-1] != close)
        j->broken = true;
    if (!j->broken) {
        j->at++;
        j->end--;
    }
}

/* From behind the opening quote to behind the closing one. */
static bool read_string(struct json *j, struct json_value *value)
{
    const char *quote;

    value->kind = JSON_STRING;
    value->bytes = j->at;
    value->escaped = false;
    for (;;) {
        quote = memchr(j->at, '"', (size_t)(j->end - j->at));
        if (!quote)
            return broken(j);
        /* An odd number of backslashes before it escapes it. */
        const char *slash = quote;
        while (slash > value->bytes && slash[-1] == '\\')
            slash--;
        j->at = quote + 1;
        if ((quote - slash) % 2 == 0)
            break;
    }
    value->len = (size_t)(quote - value->bytes);
    value->escaped = memchr(value->bytes, '\\', value->len) != NULL;
    return true;
}

static char opening(char c)
{
    return c == '}' ? '{' : c == ']' ? '[' : 0;
}

/* An array or object in it, from behind its bracket on. */
static bool skip_nested(struct json *j, struct json_value *value)
{
    char open[MOST_DEPTH] = {j->at[-1]};
    unsigned depth = 1;
    struct json_value string;

    value->bytes = j->at - 1;
    value->kind = open[0] == '[' ? JSON_ARRAY : JSON_OBJECT;
    while (depth && j->at < j->end) {
        char c = *j->at++;

        if (c == '"' && !read_string(j, &string))
            return false;
        if (c == '[' || c == '{') {
            if (depth == MOST_DEPTH)
                return broken(j);
            open[depth++] = c;
        }
        if (opening(c) && open[--depth] != opening(c))
            return broken(j);
    }
    value->len = (size_t)(j->at - value->bytes);
    return depth == 0 || broken(j);
}

static bool is_word(const struct json_value *value, const char *word)
{
    return value->len == strlen(word) && memcmp(value->bytes, word, value->len) == 0;
}

/* A number, true, false or null. */
static bool read_word(struct json *j, struct json_value *value)
{
    value->bytes = j->at;
    while (j->at < j->end && *j->at != ',' && *j->at != ' ')
        j->at++;
    value->len = (size_t)(j->at - value->bytes);
    if (is_word(value, "true"))
        value->kind = JSON_TRUE;
    else if (is_word(value, "false"))
        value->kind = JSON_FALSE;
    else if (is_word(value, "null"))
        value->kind = JSON_NULL;
    else if (value->len && (*value->bytes == '-' || (*value->bytes >= '0' && *value->bytes <= '9')))
        value->kind = JSON_NUMBER;
    else
        return broken(j);
    return true;
}

bool json_element(struct json *j, struct json_value *value)
{
    bool good;

    value->kind = JSON_NONE;
    value->escaped = false;
    skip_blanks(j);
    if (j->broken || j->at >= j->end)
        return false;
    if (*j->at == '"' || *j->at == '[' || *j->at == '{') {
        char c = *j->at++;

        good = c == '"' ? read_string(j, value) : skip_nested(j, value);
    } else {
        good = read_word(j, value);
    }
    if (good && !is_next(j, ',') && j->at < j->end)
        return broken(j);
    return good;
}

bool json_member(struct json *j, struct json_value *key, struct json_value *value)
{
    skip_blanks(j);
    if (j->broken || j->at >= j->end)
        return false;
    if (!is_next(j, '"') || !read_string(j, key) || !is_next(j, ':'))
        return broken(j);
    return json_element(j, value) || broken(j);
}

bool json_number(const struct json_value *value, uint64_t most, uint64_t *number)
{
    uint64_t n = 0;

    if (value->kind != JSON_NUMBER)
        return false;
    for (size_t i = 0; i < value->len; i++) {
        unsigned digit = (unsigned)(value->bytes[i] - '0');

        if (digit > 9 || n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return true;
}

/* Four hexadecimal digits; -1 if they aren't. */
static int read_hex(const char *bytes, size_t len)
{
    int n = 0;

    for (size_t i = 0; i < 4; i++) {
        char c = i < len ? bytes[i] : 0;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        n = n << 4 | digit;
    }
    return n;
}

/* Writes a character as UTF-8, below 256 as a byte. Returns how many bytes. */
static size_t put_character(char *to, int c)
{
    if (c < 0x100) {
        to[0] = (char)(c ? c : '?');
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

size_t json_text(const struct json_value *value, char *to, size_t cap)
{
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    size_t len = 0;

    for (size_t i = 0; value->kind == JSON_STRING && i < value->len && len + 4 < cap; i++) {
        char c = value->bytes[i];
        const char *escape;
        int code;

        if (c != '\\' || i + 1 == value->len) {
            to[len++] = c ? c : '?';
            continue;
        }
        c = value->bytes[++i];
        escape = strchr("bfnrt", c);
        code = c == 'u' ? read_hex(value->bytes + i + 1, value->len - i - 1) : -1;
        if (code >= 0) {
            len += put_character(to + len, code);
            i += 4;
        } else {
            to[len++] = escape && c ? strchr(escapes, c)[1] : c ? c : '?';
        }
    }
    to[len] = '\0';
    return len;
}
