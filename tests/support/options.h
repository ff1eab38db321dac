/* The options of the players that have many: a table of them is all that a program writes. */
#ifndef SAFECLOSE_TESTS_OPTIONS_H
#define SAFECLOSE_TESTS_OPTIONS_H

#include <stdbool.h>

/* Of what an option sets, one: a number within bounds, a text, a flag, which takes no value. */
struct option_row {
    const char *name; /* "--count", "-n" */
    long long *number, least, most;
    const char **text;
    bool *flag;
};

/* Reads options up to the first word that is none, whose place in argv it returns. rows end with one without a name.
 * -h and --help print the usage. What isn't understood ends the program, with the usage and status 2. */
int options_read(int argc, char **argv, const struct option_row *rows, const char *usage);

/* A number that stands elsewhere. */
long long options_number(const char *text, long long least, long long most, const char *usage);

/* The same where $LIBSAFECLOSE is no file that can be read. */
void options_need_library(const char *usage);

_Noreturn void options_refuse(const char *why, const char *usage);

#endif
