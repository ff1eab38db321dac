#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void options_refuse(const char *why, const char *usage)
{
    fprintf(stderr, "%s: %s\n%s", program_invocation_short_name, why, usage);
    exit(2);
}

long long options_number(const char *text, long long least, long long most, const char *usage)
{
    char *end, why[256];
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (!errno && end != text && !*end && value >= least && value <= most)
        return value;
    snprintf(why, sizeof(why), "unable to use \"%s\": allowed is %lld to %lld", text, least, most);
    options_refuse(why, usage);
}

static const struct option_row *find(const char *name, const struct option_row *rows,
                                     const char *usage)
{
    char why[256];

    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        fputs(usage, stdout);
        exit(0);
    }
    for (; rows->name; rows++)
        if (strcmp(name, rows->name) == 0)
            return rows;
    snprintf(why, sizeof(why), "unable to understand \"%s\"", name);
    options_refuse(why, usage);
}

int options_read(int argc, char **argv, const struct option_row *rows, const char *usage)
{
    int at;

    for (at = 1; at < argc && argv[at][0] == '-'; at++) {
        const struct option_row *row = find(argv[at], rows, usage);

        if (row->flag)
            *row->flag = true;
        else if (++at == argc)
            options_refuse("the last option lacks its value", usage);
        else if (row->text)
            *row->text = argv[at];
        else
            *row->number = options_number(argv[at], row->least, row->most, usage);
    }
    return at;
}

void options_need_library(const char *usage)
{
    const char *library = getenv("LIBSAFECLOSE");

    if (!library || access(library, R_OK) != 0)
        options_refuse("LIBSAFECLOSE names no library", usage);
}
