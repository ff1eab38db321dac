/*
 * Reads JSON as our own log has it: one object a line, flat but for a few arrays and objects in it. Pure, allocates
 * nothing, looks at each byte once or twice. The values are views of the line.
 *
 * It is strict where a mistake would change what a line says (it ends in the middle, a string has no end), and
 * lenient where it wouldn't (a raw control character in a string).
 */
#ifndef SAFECLOSE_JSON_H
#define SAFECLOSE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind {
    JSON_NONE, /* the value is not there */
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_value {
    enum json_kind kind;
    bool escaped;      /* a string with backslashes */
    const char *bytes; /* of a string, what is between the quotes; else the whole value */
    size_t len;
};

/* What is left of an object or array. */
struct json {
    const char *at;
    const char *end;
    bool broken; /* its text is no JSON */
};

/* Begins with an object or array, brackets and all. Nothing but blanks may follow it. */
void json_begin(struct json *json, const char *bytes, size_t len);

/* The next member of an object, or element of an array. False at the end, and where it is broken. */
bool json_member(struct json *json, struct json_value *key, struct json_value *value);
bool json_element(struct json *json, struct json_value *value);

/* A whole number from 0 to most; false if it is anything else. */
bool json_number(const struct json_value *value, uint64_t most, uint64_t *number);

/* The bytes of a string. \u00XX is the byte XX, as our log writes bytes that are not text; what doesn't fit
 * is left out; a zero byte becomes "?". Ends with a zero byte. Returns the length. */
size_t json_text(const struct json_value *value, char *to, size_t cap);

#endif
