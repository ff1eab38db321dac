#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/sys.h"
#include "report/event_stack.h"
#include "report/stack_symbol.h"

/* So many bytes of a name are shown. A mangled name is shown whole or not at all: c++filt can't read half of it. */
#define MODULE_SHOWN 64
#define NAME_SHOWN 96

/* One more frame that has no name, or one more address of the command. */
#define ROOM_OF_ADDRESS 20

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

/* One reader of files for all threads. Claimed with the pid, because a fork child does not have the thread that
 * claimed it. */
static struct symbols *symbols; /* mapped by the first that claims it */
static _Atomic int symbols_taken;

static bool claim_symbols(void)
{
    int pid = atomic_load(&process->pid);
    int holder = atomic_load(&symbols_taken);

    if (holder == pid || !atomic_compare_exchange_strong(&symbols_taken, &holder, pid))
        return false;
    if (!symbols && !(symbols = sys_map(sizeof(*symbols))))
        atomic_store(&symbols_taken, 0);
    return symbols;
}

struct writing {
    struct line *line;
    const struct stack *stack;
    void (*write_line)(struct line *line);
    uint32_t nameless; /* frames of a module that got no name, a bit each */
    bool names;        /* symbols is ours */
    bool folding;      /* the line is one of frames without a name, and may get more */
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

static void end_line(struct writing *w)
{
    if (w->folding)
        text_put(&w->line->text, "]\n");
    w->folding = false;
}

/* Begins the line of frame i, with so much room behind its module, of which no byte takes more than
 * four. Returns where. */
static size_t put_module(struct writing *w, unsigned i, const char *module, size_t room)
{
    struct text *t = &w->line->text;
    size_t len = strnlen(module, MODULE_SHOWN);
    size_t start;

    end_line(w);
    make_room(w, 64 + 4 * len + room);
    start = t->len;
    text_put(t, i ? "safeclose:       " : "safeclose:   at: ");
    text_plain(t, module, len);
    return start;
}

/* Nameless frames that follow each other in a module share a line. */
static void put_nameless(struct writing *w, unsigned i, const char *module, uintptr_t address)
{
    if (!w->folding)
        put_module(w, i, module, ROOM_OF_ADDRESS * (w->stack->count - i));
    text_put(&w->line->text, w->folding ? " 0x%lx" : " [0x%lx", (unsigned long)address);
    w->folding = true;
}

static bool is_mangled(const char *name, size_t len)
{
    return len > 2 && name[0] == '_' && (name[1] == 'Z' || name[1] == 'R');
}

/* False, and nothing written, where a mangled name does not fit. */
static bool put_named(struct writing *w, unsigned i, const char *module, unsigned of_run,
                      uintptr_t address)
{
    struct text *t = &w->line->text;
    size_t len = 0;
    const char *name = w->names ? symbols_name(symbols, of_run, &len) : NULL;
    bool cut = name && len >= NAME_SHOWN && !is_mangled(name, len);
    size_t start;

    if (!name || len == SYMBOL_NAME)
        return false;
    len = cut ? NAME_SHOWN : len;
    start = put_module(w, i, module, 4 * NAME_SHOWN + len);
    text_put(t, "(");
    text_plain(t, name, len);
    text_put(t, "%s+0x%lx) [0x%lx]\n", cut ? "..." : "",
             (unsigned long)(address - symbols->found[of_run].start), (unsigned long)address);
    if (!t->cut)
        return true;
    t->len = start;
    t->cut = false;
    return false;
}

/* Writes the frames from i on that are in this module, whose file is read once for all of them. Returns how many. */
static unsigned put_run(struct writing *w, unsigned i, const struct module *m)
{
    const char *slash = strrchr(m->path, '/');
    const char *name = slash ? slash + 1 : m->path;
    bool names = w->names;
    unsigned n;

    if (names)
        symbols->count = 0;
    for (n = 0; is_in(w, i + n, m); n++)
        if (names)
            symbols->found[symbols->count++].address = w->stack->frames[i + n] - 1 - m->bias;
    w->names = names && symbols_find(symbols, m);
    for (unsigned k = 0; k < n; k++) {
        uintptr_t address = w->stack->frames[i + k] - m->bias;

        if (put_named(w, i + k, name, k, address))
            continue;
        put_nameless(w, i + k, name, address);
        w->nameless |= 1U << (i + k);
    }
    end_line(w);
    if (w->names)
        symbols_close(symbols);
    w->names = names;
    return n;
}

/* What to type for the frames of one module that have no name. */
static void put_command(struct writing *w, const struct module *m)
{
    struct text *t = &w->line->text;
    size_t len = strnlen(m->path, SINK_LINE / 2);

    make_room(w, 64 + len + ROOM_OF_ADDRESS * w->stack->count);
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
        symbols->budget = SYMBOLS_BUDGET;
    for (unsigned i = 0; i < stack->count;) {
        if (stack_module(stack->frames[i] - 1, &m)) {
            end_line(&w);
            i += put_run(&w, i, &m);
        } else {
            put_nameless(&w, i, "in no module", stack->frames[i]);
            i++;
        }
    }
    end_line(&w);
    if (w.names)
        atomic_store(&symbols_taken, 0);
    for (unsigned i = 0; i < stack->count; i++)
        if (w.nameless & 1U << i && stack_module(stack->frames[i] - 1, &m))
            put_command(&w, &m);
    make_room(&w, EVENT_STACK_LEFT);
}
