/* Numbers, sizes and times as a report shows them. Each returned text is good for the next 15 calls. */
#ifndef SAFECLOSE_WORDS_H
#define SAFECLOSE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1204 as "1,204". */
const char *words_number(uint64_t n);

/* "1,024 bytes", from 10 kB on "11.9 kB"; as the library's log writes them. */
const char *words_bytes(uint64_t bytes);

/* "1 reset", "1,204 resets": the word gets an s unless there is one. */
const char *words_count(uint64_t n, const char *word);

/* "2026-11-22 06:31:07" of microseconds since 1970, in UTC; short: "06:31:07". */
const char *words_time(int64_t time, bool date);

/* "1h 30m", "12.5 s", "40 ms". */
const char *words_duration_ms(uint64_t ms);

/* Without what could drive a terminal: all but printable ASCII and well-formed UTF-8 (without control characters) as
 * \xXX. At most so many characters, of a longer one the last ones, after "...". */
const char *words_plain(const char *text, size_t most);

/* The length of the well-formed UTF-8 character at the beginning of a text; 0 if there is none. */
size_t words_character(const char *text);

/* How many columns a plain text takes. */
size_t words_columns(const char *text);

/* The end of a plain path, from a slash on where that is near: ".../demo/server.c". */
const char *words_path(const char *path, size_t most);

/* A function's name without template arguments ("a::vector<int>::push" is "a::vector::push") and without the version
 * of its library ("close@@GLIBC_2.2.5"). */
const char *words_function(const char *name);

/* What is behind the last slash. */
const char *words_file(const char *path);

#endif
