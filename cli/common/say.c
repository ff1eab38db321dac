#include "common/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *text_from(const char *format, va_list values)
{
    char *text;

    if (vasprintf(&text, format, values) >= 0)
        return text;
    fputs("safeclose: unable to go on: out of memory\n", stderr);
    exit(STATUS_FAILED);
}

char *text_of(const char *format, ...)
{
    va_list values;
    char *text;

    va_start(values, format);
    text = text_from(format, values);
    va_end(values);
    return text;
}

void say_plain(FILE *to, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < ' ' || *c == 0x7f)
            fprintf(to, "\\x%02x", *c);
        else
            putc(*c, to);
    putc('\n', to);
}

void unable(const char *format, ...)
{
    va_list values;
    char *text;

    va_start(values, format);
    text = text_from(format, values);
    va_end(values);
    fflush(stdout);
    fputs("safeclose: unable to ", stderr);
    say_plain(stderr, text);
    free(text);
}

static bool shows_colours(FILE *to)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return !(no_color && *no_color) && terminal && *terminal && strcmp(terminal, "dumb") != 0 &&
           isatty(fileno(to));
}

const char *colour(FILE *to, const char *code)
{
    static char sequence[16];

    if (!shows_colours(to))
        return "";
    snprintf(sequence, sizeof(sequence), "\033[%sm", code);
    return sequence;
}

bool printed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    unable("write to standard output: %s", strerror(errno));
    return false;
}
