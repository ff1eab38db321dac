/*
 * Stacks as flame graph tools read them: frames from the outermost to the innermost, semicolons between them, a blank
 * and a number. The program comes first, the cause last.
 */
#include "report/forms.h"
#include "report/folded.h"
#include "report/frames.h"
#include "gather/stacks.h"
#include "log/strings.h"
#include "report/words.h"

#include <string.h>

void folded_name(const struct report *report, const struct frame *frame, char *to, size_t cap)
{
    const struct frame_name *name = frames_name(report, frame);
    const char *module = words_file(strings_text(frame->module));

    if (*name->function)
        snprintf(to, cap, "%s", words_function(name->function));
    else if (*module)
        snprintf(to, cap, "%s+0x%llx", module, (unsigned long long)frame->offset);
    else
        snprintf(to, cap, "0x%llx", (unsigned long long)frame->offset);
}

/* A semicolon would be another frame, and a line break another stack. */
static void put(FILE *to, const char *text)
{
    for (text = words_plain(text, 200); *text; text++)
        putc(*text == ';' ? ':' : *text, to);
}

static void put_stack(const struct report *report, FILE *to, const struct stack *stack)
{
    char name[FOLDED_NAME];

    put(to, strings_text(stack->comm));
    for (unsigned i = stack->depth; i-- > 0;) {
        folded_name(report, &stack->frames[i], name, sizeof(name));
        putc(';', to);
        put(to, name);
    }
    fputs(";[", to);
    put(to, strings_text(stack->cause));
    putc(']', to);
}

void report_folded(const struct report *report, FILE *to)
{
    size_t count;
    struct stack *const *stacks = stacks_sorted(&count);

    for (size_t i = 0; i < count; i++) {
        uint64_t weight = report->options->weigh_lost ? stacks[i]->lost : stacks[i]->resets;

        if (!weight)
            continue;
        put_stack(report, to, stacks[i]);
        fprintf(to, " %llu\n", (unsigned long long)weight);
    }
    if (stacks_put_away() && !report->options->weigh_lost)
        fprintf(to, "(too many different stacks to tell) %llu\n",
                (unsigned long long)stacks_put_away());
}
