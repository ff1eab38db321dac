#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "symbols/go_names.h"
#include "stack/image.h"
#include "symbols/jit_names.h"
#include "preload/library.h"
#include "stack/stack_names.h"
#include "symbols/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* addr2line is asked only about files below our own root (symbols/symbols.h). */
static struct symbols *with_lines, *names_only;

static struct symbols *symbols_for(const struct image *image)
{
    struct symbols **symbols = image->foreign ? &names_only : &with_lines;

    if (!*symbols)
        *symbols = symbols_new(image->foreign ? SYMBOLS_NAMES : SYMBOLS_LIVE);
    return *symbols;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static void set_source(struct frame_name *name, const struct place *place)
{
    if (*place->file && place->line &&
        asprintf(&name->source, "%s:%u", last_part(place->file), place->line) < 0)
        name->source = NULL;
}

/* The innermost function that was inlined is what the source says; the line is in it. */
static void name_in_file(struct frame_name *name, const struct image *image, uint64_t address)
{
    struct symbols *symbols = symbols_for(image);
    const struct module *module;
    char path[64], go[SYMBOL_BYTES];
    struct place place;

    name->path = strdup(image->path);
    if (image->fd < 0)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
    module = symbols_module(symbols, NULL, path);
    if (!module->wrong && symbols_find(symbols, module, address, &place)) {
        name->function = strdup(*place.inlined ? place.inlined : place.function);
        name->offset = *place.inlined ? 0 : place.offset;
        set_source(name, &place);
    } else if (go_name(image->fd, address, go, sizeof(go), &name->offset))
        name->function = strdup(go);
}

/* Versions of symbols say nothing here: __libc_start_main@@GLIBC_2.34. */
static void drop_version(char *function)
{
    char *at = function ? strstr(function, "@@") : NULL;

    if (at && at > function)
        *at = '\0';
}

static void name_frame(struct frame_name *name, const struct user_frame *frame, pid_t pid,
                       bool innermost)
{
    const struct image *image = frame->inode ? image_known(frame->device, frame->inode) : NULL;
    uint64_t address = frame->address - !innermost; /* within the call */
    char jit[SYMBOL_BYTES];

    if (image)
        name_in_file(name, image, address);
    else if (!frame->inode && jit_name(pid, address, jit, sizeof(jit), &name->offset))
        name->function = strdup(jit);
    drop_version(name->function);
    if (name->function && name->offset)
        name->offset += !innermost;
}

const struct frame_name *stack_names(struct known_stack *known)
{
    if (known->names)
        return known->names;
    known->names = calloc(known->stack.count, sizeof(*known->names));
    if (!known->names)
        abort();
    for (unsigned i = 0; i < known->stack.count; i++)
        name_frame(&known->names[i], &known->stack.frames[i], known->pid, i == 0);
    return known->names;
}

void stack_names_free(struct known_stack *known)
{
    for (unsigned i = 0; known->names && i < known->stack.count; i++) {
        free(known->names[i].function);
        free(known->names[i].source);
        free(known->names[i].path);
    }
    free(known->names);
    known->names = NULL;
}

const char *stack_file(const struct frame_name *name)
{
    return name->path ? last_part(name->path) : "";
}

/* ---- Which frames are the program's ------------------------------------------------------------- */

/* libc's names for one call: __close, __GI___close_nocancel, ... */
static bool is_call(const char *function, const char *call)
{
    size_t len = strlen(call);

    function += strspn(function, "_");
    if (strncmp(function, "GI_", 3) == 0)
        function += 3 + strspn(function + 3, "_");
    if (strncmp(function, "libc_", 5) == 0)
        function += 5;
    return strncmp(function, call, len) == 0 &&
           (function[len] == '\0' || strcmp(function + len, "64") == 0 ||
            strcmp(function + len, "_nocancel") == 0);
}

/* Of Go: its own functions around the system call, of which "syscall.Close" is one. */
static const char *go_via(const struct frame_name *names, unsigned count)
{
    static const char *const calls[][2] = {
        {"syscall.Close", "close"}, {"syscall.Shutdown", "shutdown"}, {"syscall.Dup3", "dup3"}};

    for (unsigned i = 0; i < count && i < 4; i++)
        for (size_t c = 0; names[i].function && c < sizeof(calls) / sizeof(calls[0]); c++)
            if (strcmp(names[i].function, calls[c][0]) == 0)
                return calls[c][1];
    return "";
}

const char *stack_via(struct known_stack *known)
{
    static const char *const calls[] = {"close",       "shutdown", "dup2",   "dup3",
                                        "close_range", "connect",  "execve", "syscall"};
    const struct frame_name *names = stack_names(known);

    for (size_t i = 0; names[0].function && i < sizeof(calls) / sizeof(calls[0]); i++)
        if (is_call(names[0].function, calls[i]))
            return calls[i];
    return go_via(names, known->stack.count);
}

/* After the call, and after our own library if it is loaded there; the first where no call is known. */
unsigned stack_first(struct known_stack *known)
{
    const struct frame_name *names = stack_names(known);
    unsigned first = *stack_via(known) && names[0].function && !strchr(names[0].function, '.');

    while (first + 1 < known->stack.count &&
           strncmp(stack_file(&names[first]), LIBRARY_NAME, strlen(LIBRARY_NAME)) == 0)
        first++;
    return first < known->stack.count ? first : 0;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_plumbing(const struct frame_name *name)
{
    static const char *const files[] = {"libc.so",  "libc-",   "libpthread",
                                        "ld-linux", "ld-musl", "libsafeclose"};
    static const char *const go[] = {"runtime.", "runtime/", "syscall.", "internal/",
                                     "net.(",    "os.(",     "gogo"};
    const char *file = stack_file(name);

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (begins(file, files[i]))
            return true;
    for (size_t i = 0; name->function && i < sizeof(go) / sizeof(go[0]); i++)
        if (begins(name->function, go[i]))
            return true;
    return false;
}

unsigned stack_closer(struct known_stack *known)
{
    const struct frame_name *names = stack_names(known);

    for (unsigned i = stack_first(known); i < known->stack.count; i++)
        if (names[i].function && !is_plumbing(&names[i]))
            return i;
    return 0;
}
