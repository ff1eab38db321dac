#include "report/layout.h"
#include "report/words.h"

#include <string.h>

size_t layout_left(const struct layout *layout, size_t used, size_t least)
{
    if (!layout->width)
        return 1000;
    return layout->width >= used + least ? layout->width - used : least;
}

/* The length of the next word; a number and its unit are one. */
static size_t word(const char *text)
{
    static const char *const units[] = {" bytes", " byte", " kB", " MB", " GB", " TB"};
    size_t len = strcspn(text, " ");

    if (*text < '0' || *text > '9')
        return len;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strncmp(text + len, units[i], strlen(units[i])) == 0)
            return len + 1 + strcspn(text + len + 1, " ");
    return len;
}

void layout_wrap(const struct layout *layout, const char *label, const char *text)
{
    size_t indent = words_columns(label), at = indent;
    const char *gap = "";

    fputs(label, layout->to);
    while (*text) {
        size_t len = word(text), columns = 0;

        for (size_t i = 0; i < len; i++)
            columns += (text[i] & 0xc0) != 0x80;
        if (*gap && layout->width && at + 1 + columns > layout->width) {
            fprintf(layout->to, "\n%*s", (int)indent, "");
            gap = "";
            at = indent;
        }
        fprintf(layout->to, "%s%.*s", gap, (int)len, text);
        at += columns + strlen(gap);
        gap = " ";
        text += len;
        text += strspn(text, " ");
    }
    putc('\n', layout->to);
}
