#include "report/text_stack.h"
#include "report/frames.h"
#include "log/strings.h"
#include "report/words.h"

#include <string.h>

#define LABEL "   unread:  "
#define STACK_LINES 8

/* "+0x4c  .../demo/server.c:72" */
static void put_place(const struct layout *l, const struct frame_name *n, size_t used)
{
    char line[16];

    used += (size_t)fprintf(l->to, "+0x%llx%s", (unsigned long long)n->offset,
                            *n->inlined ? " (inlined)" : "");
    snprintf(line, sizeof(line), ":%u", n->line);
    if (n->line)
        fprintf(l->to, "  %s%s", words_path(n->file, layout_left(l, used + 2 + strlen(line), 12)),
                line);
}

/* The name of a module, or why there is none, at most so wide. */
static const char *module_name(const struct frame *frame, size_t columns)
{
    const char *module = words_file(strings_text(frame->module));

    return *module ? words_plain(module, columns) : "in no module";
}

/* Frames without a name that follow each other in a module share a line. Returns how many. */
static unsigned put_nameless(const struct report *report, const struct layout *l,
                             const struct group *g, unsigned i, unsigned depth)
{
    unsigned n = 1;

    while (i + n < depth && g->frames[i + n].module == g->frames[i].module &&
           !*frames_name(report, &g->frames[i + n])->function)
        n++;
    fprintf(l->to, "%s+0x%llx", module_name(&g->frames[i], layout_left(l, strlen(LABEL) + 34, 16)),
            (unsigned long long)g->frames[i].offset);
    if (n > 1)
        fprintf(l->to, " and %u more", n - 1);
    return n;
}

static unsigned put_frame(const struct report *report, const struct layout *l,
                          const struct group *g, unsigned i, unsigned depth)
{
    const struct frame_name *n = frames_name(report, &g->frames[i]);
    size_t used = strlen(LABEL);
    unsigned frames = 1;
    const char *name;

    fprintf(l->to, "%-*s", (int)used, i ? "" : "   at:");
    if (*n->function) {
        name = words_plain(words_function(*n->inlined ? n->inlined : n->function),
                           layout_left(l, used + (n->line ? 40 : 20), 20));
        fputs(name, l->to);
        put_place(l, n, used + words_columns(name));
    } else {
        frames = put_nameless(report, l, g, i, depth);
    }
    putc('\n', l->to);
    return frames;
}

/* What starts a program says nothing of it. */
static bool is_beginning(const struct report *report, const struct frame *frame)
{
    const char *name = frames_name(report, frame)->function;

    return strstr(name, "libc_start") || strcmp(name, "_start") == 0 ||
           strcmp(name, "start_thread") == 0 || strcmp(name, "clone3") == 0;
}

void text_stack(const struct report *report, const struct layout *l, const struct group *g)
{
    unsigned depth = g->depth, i = 0, lines = 0;

    while (depth > 1 && is_beginning(report, &g->frames[depth - 1]))
        depth--;
    for (; i < depth && (!l->width || lines < STACK_LINES); lines++)
        i += put_frame(report, l, g, i, depth);
    if (i < depth)
        fprintf(l->to, "%*s... %u more\n", (int)strlen(LABEL), "", depth - i);
}
