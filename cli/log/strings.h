/*
 * Each string of a log once, known by a number: names of programs, paths, addresses, words. Bounded: when it is full
 * every new string is STRINGS_FULL, whose text says so.
 */
#ifndef SAFECLOSE_STRINGS_H
#define SAFECLOSE_STRINGS_H

#include "log/json.h"

#include <stdbool.h>
#include <stdint.h>

#define MOST_STRINGS 100000
#define MOST_STRING_BYTES (8 << 20)

enum { STRINGS_EMPTY = 0, STRINGS_FULL = 1 };

/* Of bytes; of a JSON string ("" if it is none). */
uint32_t strings_add(const char *bytes, size_t len);
uint32_t strings_value(const struct json_value *value);

/* Stays good. */
const char *strings_text(uint32_t string);
bool strings_full(void);

/* A number that nobody outside can guess what maps to: collisions can't be made on purpose. */
uint64_t hash_bytes(uint64_t from, const void *bytes, size_t len);
uint64_t hash_number(uint64_t from, uint64_t number);

#endif
