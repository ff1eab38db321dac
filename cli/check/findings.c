#include "common/say.h"
#include "check/findings.h"

#include <stdarg.h>
#include <stdlib.h>

void findings_add(struct findings *f, enum leaning leaning, const char *format, ...)
{
    va_list values;
    char *text;

    if (f->count == sizeof(f->list) / sizeof(f->list[0]))
        return;
    va_start(values, format);
    if (vasprintf(&text, format, values) < 0)
        text = text_of("out of memory");
    va_end(values);
    f->list[f->count++] = (struct finding){leaning, text};
}

enum verdict findings_verdict(const struct findings *f)
{
    enum verdict verdict = COVERED;

    for (unsigned i = 0; i < f->count; i++)
        if (f->list[i].leaning == AGAINST)
            return NOT_COVERED;
        else if (f->list[i].leaning == UNSURE)
            verdict = UNKNOWN;
    return verdict;
}

void findings_print(const struct findings *f, const char *about)
{
    static const struct {
        const char *word;
        const char *colour;
    } verdicts[] = {[COVERED] = {"covered", "32"},
                    [NOT_COVERED] = {"not covered", "31"},
                    [UNKNOWN] = {"unknown", "33"}};
    static const char *const words[] = {
        [FOR] = "for",     [AGAINST] = "against", [UNSURE] = "unknown", [LIMIT] = "limit",
        [MODES] = "modes", [NOTE] = "note",       [DO] = "do"};
    enum verdict verdict = findings_verdict(f);
    char *line = text_of("%s: %s", about, verdicts[verdict].word);

    fputs(colour(stdout, verdicts[verdict].colour), stdout);
    say_plain(stdout, line);
    fputs(colour(stdout, "0"), stdout);
    free(line);
    for (unsigned i = 0; i < f->count; i++) {
        fprintf(stdout, "  %s: ", words[f->list[i].leaning]);
        say_plain(stdout, f->list[i].text);
    }
}

void findings_free(struct findings *f)
{
    while (f->count)
        free(f->list[--f->count].text);
}
