/* A stack, as a person reads it: without what is alike, what called main, and what lies between Go's code and the kernel. */
#include "stack/stack_names.h"
#include "watch/lines.h"

#include <stdio.h>
#include <string.h>

void watch_put_line(struct text *t)
{
    fwrite(t->bytes, 1, t->len, stdout);
    putchar('\n');
    t->len = 0;
}

void watch_put_plain(struct text *t, const char *text)
{
    text_plain(t, text, strlen(text));
}

void watch_put_clock(struct text *t, int64_t now)
{
    text_time(t, now / 1000000000, (long)(now % 1000000000), false);
}

static void put_place(struct text *t, const struct frame_name *name)
{
    text_put(t, " (");
    watch_put_plain(t, name->source ? name->source
                       : name->path ? stack_file(name)
                                    : "made at run time");
    text_put(t, ")");
}

static void put_frame(struct text *t, const struct frame_name *name, const struct user_frame *frame)
{
    if (name->function) {
        watch_put_plain(t, name->function);
        if (!name->source)
            text_put(t, "+0x%llx", (unsigned long long)name->offset);
        put_place(t, name);
    } else if (name->path) {
        watch_put_plain(t, stack_file(name));
        text_put(t, "+0x%llx", (unsigned long long)frame->address);
    } else {
        text_put(t, "0x%llx", (unsigned long long)frame->address);
        put_place(t, name);
    }
}

/* What called main, or began a thread, is nothing that anybody asks for. */
static bool is_outermost(const struct frame_name *name)
{
    static const char *const begins[] = {"__libc_start", "_start", "start_thread",
                                         "runtime.goexit"};

    for (size_t i = 0; name->function && i < sizeof(begins) / sizeof(begins[0]); i++)
        if (strncmp(name->function, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Frames alike, one after the other, are one line: of one function, or of one file without names. */
static unsigned alike(const struct frame_name *names, unsigned first, unsigned count)
{
    unsigned n = 1;

    while (first + n < count && same_text(names[first + n].function, names[first].function) &&
           same_text(names[first + n].path, names[first].path))
        n++;
    return n;
}

static void say_frames(struct text *t, const struct known_stack *known,
                       const struct frame_name *names, unsigned first)
{
    unsigned count = known->stack.count, n;

    for (unsigned i = first; i < count; i += n) {
        if (i > first && is_outermost(&names[i]))
            return;
        n = alike(names, i, count);
        text_put(t, "       ");
        if (n == 1 || names[i].function)
            put_frame(t, &names[i], &known->stack.frames[i]);
        else
            watch_put_plain(t, names[i].path ? stack_file(&names[i]) : "code made at run time");
        if (n > 1)
            text_put(t, names[i].function ? ", %u times" : ": %u frames without a name", n);
        watch_put_line(t);
    }
    if (known->stack.cut) {
        text_put(t, "       ...");
        watch_put_line(t);
    }
}

static void say_again(struct text *t, struct known_stack *known)
{
    unsigned closer = stack_closer(known);

    text_put(t, "       ");
    watch_put_plain(t, stack_names(known)[closer].function
                           ? stack_names(known)[closer].function
                           : stack_file(&stack_names(known)[closer]));
    text_put(t, ", as at ");
    watch_put_clock(t, known->shown);
    watch_put_line(t);
}

/* What is between the call and the program's own code, if that is much, is one line. */
static unsigned skip_runtime(struct text *t, struct known_stack *known)
{
    unsigned first = stack_first(known), closer = stack_closer(known);

    if (closer <= first + 2)
        return first;
    text_put(t, "       (%u functions of the runtime)", closer - first);
    watch_put_line(t);
    return closer;
}

void watch_put_stack(struct text *t, struct known_stack *known, int64_t now)
{
    const struct frame_name *names = stack_names(known);

    if (known->shown && now - known->shown < WATCH_AGAIN) {
        say_again(t, known);
        return;
    }
    known->shown = now;
    say_frames(t, known, names, skip_runtime(t, known));
}
