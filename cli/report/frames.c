#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/frames.h"
#include "common/search_path.h"
#include "log/strings.h"
#include "symbols/symbols.h"
#include "report/words.h"

#include <stdlib.h>
#include <string.h>

#define MOST_NAMED 65536 /* a power of 2 */
#define MOST_TROUBLES 64

static const struct frame_name unknown = {.function = "", .inlined = "", .file = ""};

static struct named {
    struct frame frame; /* module STRINGS_EMPTY: free */
    struct frame_name name;
} * names;
static unsigned named;

static struct trouble {
    uint32_t path;
    char why[192];
} troubles[MOST_TROUBLES];
static unsigned trouble_count;

static struct symbols *symbols;

/* ---- Is it the file that ran? -------------------------------------------------------------------- */

static bool is_noted(uint32_t path)
{
    for (unsigned i = 0; i < trouble_count; i++)
        if (troubles[i].path == path)
            return true;
    return false;
}

static void note(uint32_t path, const char *format, const char *a, const char *b)
{
    struct trouble *t = &troubles[trouble_count];

    if (trouble_count == MOST_TROUBLES || is_noted(path))
        return;
    trouble_count++;
    t->path = path;
    snprintf(t->why, sizeof(t->why), format, a, b);
}

/* Its beginning. The log may hold anything there. */
static const char *plain_build(const char *logged)
{
    char first[13];

    snprintf(first, sizeof(first), "%s", logged);
    return words_plain(first, 0);
}

/* Only of executables does the log have the build-id. */
static bool ran(const struct report *report, const struct frame *frame, const struct module *module)
{
    const char *logged = strings_text(frame->build);
    bool other = *logged && strcmp(logged, module->build_id) != 0;

    if (module->wrong)
        note(frame->module, "%s%s", module->wrong, "");
    else if (other)
        note(frame->module, "it is not the file that ran: build-id %s in the log, %.12s now",
             plain_build(logged), *module->build_id ? module->build_id : "none");
    else if (module->no_names)
        note(frame->module, "%s%s", module->no_names, "");
    else if (!*logged && (int64_t)module->changed.tv_sec * 1000000 > report->last)
        note(frame->module, "it was replaced after the last event, so names may be wrong%s%s", "",
             "");
    return !module->wrong && !other && !module->no_names;
}

void frames_trouble(void (*tell)(void *to, const char *path, const char *why), void *to)
{
    for (unsigned i = 0; i < trouble_count; i++)
        tell(to, strings_text(troubles[i].path), troubles[i].why);
}

/* ---- Names --------------------------------------------------------------------------------------- */

static const char *copy(const char *text)
{
    char *kept = *text ? strdup(text) : NULL;

    return kept ? kept : "";
}

static struct frame_name look_up(const struct report *report, const struct frame *frame)
{
    const char *path = strings_text(frame->module);
    const struct module *module;
    struct frame_name name = unknown;
    struct place place;

    if (!symbols)
        symbols = symbols_new(SYMBOLS_LINES);
    if (*path != '/') {
        note(frame->module, "it is no file%s%s", "", "");
        return unknown;
    }
    module = symbols_module(symbols, NULL, path);
    if (!ran(report, frame, module) || !symbols_find(symbols, module, frame->offset - 1, &place))
        return unknown;
    name.function = copy(place.function);
    name.inlined = copy(place.inlined);
    name.file = copy(place.file);
    name.offset = place.offset + 1;
    name.line = place.line;
    return name;
}

static void *room(void)
{
    void *all = calloc(MOST_NAMED, sizeof(names[0]));

    return all;
}

const struct frame_name *frames_name(const struct report *report, const struct frame *frame)
{
    uint64_t i =
        hash_number((uint64_t)frame->build << 32 | frame->module, frame->offset) % MOST_NAMED;

    if (frame->module == STRINGS_EMPTY || (!names && !(names = room())))
        return &unknown;
    for (; names[i].frame.module; i = (i + 1) % MOST_NAMED)
        if (names[i].frame.module == frame->module && names[i].frame.build == frame->build &&
            names[i].frame.offset == frame->offset)
            return &names[i].name;
    if (named == MOST_NAMED / 2)
        return &unknown;
    named++;
    names[i].name = look_up(report, frame);
    names[i].frame = *frame;
    return &names[i].name;
}

static bool is_libc(const struct frame *frame)
{
    const char *file = words_file(strings_text(frame->module));

    return strncmp(file, "libc.", 5) == 0 || strncmp(file, "libc-", 5) == 0 ||
           strncmp(file, "ld-", 3) == 0;
}

const struct frame *frames_guilty(const struct report *report, const struct group *group)
{
    const struct frame *named_one = NULL, *other = NULL;

    for (unsigned i = group->depth; i-- > 0;) {
        const struct frame *frame = &group->frames[i];
        const struct frame_name *name = frames_name(report, frame);

        if (is_libc(frame))
            continue;
        other = frame;
        if (name->line || (*name->function && !(named_one && frames_name(report, named_one)->line)))
            named_one = frame;
    }
    return named_one ? named_one : other ? other : group->depth ? group->frames : NULL;
}

bool frames_have_lines(void)
{
    char path[PATH_MAX];

    return !symbols || search_path("addr2line", path) == 0;
}

void frames_end(void)
{
    if (symbols)
        symbols_free(symbols);
    symbols = NULL;
}
