#include "report/html.h"
#include "report/words.h"

#include <string.h>

/* The parts of the page that are no C: cli/report/page.css and cli/report/page.js, as they are. */
#define EMBED(name, file)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl " #name "\n" #name ":\n"                                                       \
            ".incbin \"" file "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".type " #name ", %object\n"                                                           \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n")

EMBED(html_style, "cli/report/page.css");
EMBED(html_script, "cli/report/page.js");

static void put_character(FILE *to, char c)
{
    switch (c) {
    case '<':
        fputs("&lt;", to);
        break;
    case '>':
        fputs("&gt;", to);
        break;
    case '&':
        fputs("&amp;", to);
        break;
    case '"':
        fputs("&quot;", to);
        break;
    case '\'':
        fputs("&#39;", to);
        break;
    default:
        putc(c, to);
    }
}

void html_text(FILE *to, const char *text, size_t most)
{
    for (const char *c = words_plain(text, most); *c; c++)
        put_character(to, *c);
}

void html_element(FILE *to, const char *name, const char *class, const char *text)
{
    if (!*text)
        return;
    fprintf(to, "<%s", name);
    if (class)
        fprintf(to, " class=\"%s\"", class);
    putc('>', to);
    html_text(to, text, 0);
    fprintf(to, "</%s>", name);
}
