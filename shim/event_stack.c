#include "safeclose.h"

#include "boundary.h"
#include "event_stack.h"
#include "stack_symbol.h"

/* Room that a frame's line needs at most, or one more address of the command. */
#define ROOM 512

bool event_stack_json(struct text *t, const struct stack *stack)
{
    struct module m = {.end = 0};

    text_put(t, "[");
    t->cap--; /* for the bracket at the end */
    for (unsigned i = 0; i < stack->count && !t->cut; i++) {
        size_t len = t->len;

        text_put(t, i ? ",\"" : "\"");
        if (stack_module(stack->frames[i] - 1, &m)) {
            text_json(t, m.path, strlen(m.path));
            text_put(t, "+0x%lx\"", (unsigned long)(stack->frames[i] - m.bias));
        } else {
            text_put(t, "0x%lx\"", (unsigned long)stack->frames[i]);
        }
        if (t->cut)
            t->len = len;
    }
    t->cap++;
    if (!t->cut)
        return text_put(t, "]"), true;
    t->cut = false;
    text_put(t, "]");
    return false;
}

/* One reader of files for all threads; held by whichever process's thread took it, since a fork
 * child has no such thread. */
static struct symbols symbols;
static _Atomic int symbols_taken;

static bool claim_symbols(void)
{
    int pid = atomic_load(&process->pid);
    int holder = atomic_load(&symbols_taken);

    return holder != pid && atomic_compare_exchange_strong(&symbols_taken, &holder, pid);
}

struct writing {
    struct line *line;
    const struct stack *stack;
    void (*write_line)(struct line *line);
    uint32_t nameless; /* frames of a module that got no name, a bit each */
    bool names;        /* symbols is ours */
};

static void make_room(struct writing *w, size_t room)
{
    struct text *t = &w->line->text;

    if (t->cap - t->len >= room)
        return;
    w->write_line(w->line);
    t->len = 0;
    t->cut = false;
}

static bool is_in(const struct writing *w, unsigned i, const struct module *m)
{
    return i < w->stack->count && w->stack->frames[i] - 1 >= m->start &&
           w->stack->frames[i] - 1 < m->end;
}

static void put_frame(struct writing *w, unsigned i, const char *module)
{
    struct text *t = &w->line->text;
    size_t len = strlen(module);

    make_room(w, ROOM);
    text_put(t, i ? "safeclose:       " : "safeclose:   at: ");
    text_plain(t, module, len < 64 ? len : 64);
}

static void put_name(struct writing *w, unsigned i, unsigned of_run, uintptr_t address)
{
    struct text *t = &w->line->text;
    const char *name = NULL;
    size_t len = 0;

    if (w->names)
        name = symbols_name(&symbols, of_run, &len);
    if (name) {
        text_put(t, "(");
        text_plain(t, name, len < 96 ? len : 96);
        text_put(t, "%s+0x%lx)", len < 96 ? "" : "...",
                 (unsigned long)(address - symbols.found[of_run].start));
    } else {
        w->nameless |= 1U << i;
    }
    text_put(t, " [0x%lx]\n", (unsigned long)address);
}

/* The frames from i on that are in this module, whose file is read once for all of them. Returns
 * how many. */
static unsigned put_run(struct writing *w, unsigned i, const struct module *m)
{
    const char *slash = strrchr(m->path, '/');
    bool names = w->names;
    unsigned n;

    symbols.count = 0;
    for (n = 0; is_in(w, i + n, m); n++)
        if (names)
            symbols.found[symbols.count++].address = w->stack->frames[i + n] - 1 - m->bias;
    w->names = names && symbols_find(&symbols, m);
    for (unsigned k = 0; k < n; k++) {
        put_frame(w, i + k, slash ? slash + 1 : m->path);
        put_name(w, i + k, k, w->stack->frames[i + k] - m->bias);
    }
    if (w->names)
        symbols_close(&symbols);
    w->names = names;
    return n;
}

/* What to type for the frames of one module that have no name. */
static void put_command(struct writing *w, const struct module *m)
{
    struct text *t = &w->line->text;
    size_t len = strnlen(m->path, SINK_LINE - 2 * ROOM);

    make_room(w, ROOM + len);
    text_put(t, "safeclose:   names: addr2line -Cfipe ");
    text_plain(t, m->path, len);
    for (unsigned i = 0; i < w->stack->count; i++)
        if (w->nameless & 1U << i && is_in(w, i, m)) {
            w->nameless &= ~(1U << i);
            text_put(t, " 0x%lx", (unsigned long)(w->stack->frames[i] - 1 - m->bias));
        }
    text_put(t, "\n");
}

void event_stack_text(struct line *line, const struct stack *stack,
                      void (*write_line)(struct line *line))
{
    struct writing w = {.line = line, .stack = stack, .write_line = write_line};
    struct module m = {.end = 0};

    w.names = claim_symbols();
    if (w.names)
        symbols.budget = SYMBOLS_BUDGET;
    for (unsigned i = 0; i < stack->count;) {
        if (stack_module(stack->frames[i] - 1, &m)) {
            i += put_run(&w, i, &m);
        } else {
            put_frame(&w, i, "in no module");
            text_put(&line->text, " [0x%lx]\n", (unsigned long)stack->frames[i]);
            i++;
        }
    }
    if (w.names)
        atomic_store(&symbols_taken, 0);
    for (unsigned i = 0; i < stack->count; i++)
        if (w.nameless & 1U << i && stack_module(stack->frames[i] - 1, &m))
            put_command(&w, &m);
}
