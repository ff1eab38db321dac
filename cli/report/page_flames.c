/*
 * A flame graph, the outermost frames above: each box is a function, as wide as the resets that have it on their
 * stack. Places are shares of the whole, so that the browser fits it into any width, and a box clips its own text.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/page.h"
#include "report/folded.h"
#include "report/html.h"
#include "gather/stacks.h"
#include "log/strings.h"
#include "report/words.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS (FRAMES_MOST + 2) /* program, frames, cause */
#define ROW 20U                  /* pixels */
/* Narrower boxes could not be seen; it bounds the size of the page, too. */
#define NARROWEST (1.0 / 2000)

struct path {
    uint32_t names[LEVELS]; /* strings, the outermost first */
    unsigned depth;
    uint64_t weight;
    unsigned colour;
};

struct drawing {
    FILE *to;
    double whole;
    uint64_t starts[LEVELS]; /* of the boxes that are open */
    uint64_t at;
};

static int compare(const void *left, const void *right)
{
    const struct path *a = left, *b = right;

    for (unsigned i = 0; i < a->depth && i < b->depth; i++)
        if (a->names[i] != b->names[i])
            return strcmp(strings_text(a->names[i]), strings_text(b->names[i]));
    return a->depth < b->depth ? -1 : a->depth > b->depth;
}

static struct path path_of(const struct report *report, const struct stack *stack)
{
    struct path path = {.weight = stack->resets, .colour = page_colour(report, stack->cause)};
    char name[FOLDED_NAME];

    path.names[path.depth++] = stack->comm;
    for (unsigned i = stack->depth; i-- > 0;) {
        folded_name(report, &stack->frames[i], name, sizeof(name));
        path.names[path.depth++] = strings_add(name, strlen(name));
    }
    path.names[path.depth++] = stack->cause;
    return path;
}

/* Of stacks with resets, sorted so that those with the same beginning follow each other. */
static struct path *paths_of(const struct report *report, size_t *count, uint64_t *whole)
{
    size_t stacks_count, used = 0;
    struct stack *const *stacks = stacks_sorted(&stacks_count);
    struct path *paths = malloc((stacks_count + 1) * sizeof(paths[0]));

    for (size_t i = 0; paths && i < stacks_count; i++)
        if (stacks[i]->resets)
            paths[used++] = path_of(report, stacks[i]);
    *whole = 0;
    for (size_t i = 0; i < used; i++)
        *whole += paths[i].weight;
    if (paths)
        qsort(paths, used, sizeof(paths[0]), compare);
    *count = used;
    return paths;
}

static void close_boxes(struct drawing *d, const struct path *path, unsigned from)
{
    for (unsigned level = path->depth; level-- > from;) {
        uint64_t weight = d->at - d->starts[level];
        bool cause = level + 1 == path->depth;
        double width = (double)weight / d->whole;

        if (width < NARROWEST)
            continue;
        fprintf(d->to,
                "<svg class=\"box %s%u\" x=\"%.4f%%\" y=\"%u\" width=\"%.4f%%\" height=\"%u\" "
                "data-n=\"%llu\"><title>",
                cause ? "c" : "f", cause ? path->colour : path->names[level] % 4,
                100 * (double)d->starts[level] / d->whole, level * ROW, 100 * width, ROW - 1,
                (unsigned long long)weight);
        html_text(d->to, strings_text(path->names[level]), 120);
        fprintf(d->to, ": %s, %.1f %%</title>", words_count(weight, "reset"), 100 * width);
        fputs("<rect width=\"100%\" height=\"100%\"/><text x=\"4\" y=\"14\">", d->to);
        html_text(d->to, strings_text(path->names[level]), 80);
        fputs("</text></svg>\n", d->to);
    }
}

static unsigned common(const struct path *a, const struct path *b)
{
    unsigned n = 0;

    while (n < a->depth && n < b->depth && a->names[n] == b->names[n])
        n++;
    return n;
}

static void draw(struct drawing *d, const struct path *paths, size_t count)
{
    unsigned same = 0;

    for (size_t i = 0; i < count; i++) {
        for (unsigned level = same; level < paths[i].depth; level++)
            d->starts[level] = d->at;
        d->at += paths[i].weight;
        same = i + 1 < count ? common(&paths[i], &paths[i + 1]) : 0;
        close_boxes(d, &paths[i], same);
    }
}

void page_flames(const struct report *report, FILE *to)
{
    struct drawing d = {.to = to};
    unsigned deepest = 0;
    uint64_t whole;
    size_t count;
    struct path *paths = paths_of(report, &count, &whole);

    for (size_t i = 0; i < count; i++)
        if (paths[i].depth > deepest)
            deepest = paths[i].depth;
    if (count) {
        d.whole = (double)whole;
        fputs("<section>\n<h2 id=\"flames-title\">Flame graph</h2>\n"
              "<p>Each box is a function, as wide as the resets that come from it. The program is "
              "above, the code that closes below it, the cause last.</p>\n"
              "<p class=\"tools\" hidden><label>Search <input type=\"search\" id=\"search\" "
              "spellcheck=\"false\"></label> <button type=\"button\" id=\"reset-zoom\">Whole "
              "graph</button> <output id=\"found\"></output></p>\n",
              to);
        fprintf(to,
                "<div class=\"flames\"><svg id=\"flames\" width=\"100%%\" height=\"%u\" "
                "role=\"group\" aria-labelledby=\"flames-title\">\n",
                deepest * ROW);
        draw(&d, paths, count);
        fputs(
            "</svg></div>\n<p class=\"tools aside\" hidden>Click a box, or press Enter, to zoom in; "
            "Escape to see all. Arrow keys move, / searches.</p>\n</section>\n",
            to);
    }
    free(paths);
}
