#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/clock.h"
#include "ground/file.h"
#include "ground/log_open.h"
#include "ground/nowait.h"
#include "ground/real.h"
#include "ground/signals.h"
#include "ground/sys.h"
#include "settings/control.h"
#include "settings/options.h"

#define LONGEST 63 /* bytes of a file that are read */
#define TROUBLE 1280

enum found { FOUND_MODE, FOUND_NOTHING, FOUND_SAME, FOUND_EMPTY, FOUND_TROUBLE };

/* Mapped by the constructor if there is a control file. Written by the thread that has claimed it. */
struct watch {
    _Atomic int looking; /* the pid of a process in which a thread looks */
    struct identity root;
    struct stat file; /* as it was when it was read last */
    int reads;  /* of the file as it was; after two it isn't read again. 0: all else was found */
    bool empty; /* so it was then */
    bool unreported;
    struct text why; /* the trouble of the last look, or what was told of it */
    char bytes[2][TROUBLE];
    char room[LOG_OPEN_ROOM];
};

_Atomic int control_mode = MODE_WARN;

static struct watch *watch;   /* constructor */
static _Atomic int64_t again; /* when to look again; a fork child begins with its parent's */

unsigned mode_stack(void)
{
    enum mode mode = mode_now();

    if (config.stack != CONFIG_STACK_BY_MODE)
        return config.stack;
    return mode == MODE_LOG || mode == MODE_WARN ? 16 : 0;
}

/* ---- The file ---------------------------------------------------------------------------------- */

/* But for when it was read. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    return memcmp(a, b, offsetof(struct stat, st_atim)) == 0 &&
           memcmp(&a->st_mtim, &b->st_mtim, 2 * sizeof(a->st_mtim)) == 0;
}

/* What the file holds, or why not. */
static __attribute__((noinline)) enum found take_word(long fd, enum mode *mode, struct text *why)
{
    char word[LONGEST + 1];
    long len = sys3(SYS_read, fd, SYS_ARG(word), sizeof(word));
    enum option_word kind = WORD_OTHER;

    if (len < 0) {
        text_put(why, ": it can't be read");
        return FOUND_TROUBLE;
    }
    if (len <= LONGEST)
        kind = options_word(word, (size_t)len, mode);
    if (kind != WORD_OTHER)
        return kind == WORD_MODE ? FOUND_MODE : FOUND_EMPTY;
    text_put(why, " holds \"");
    text_plain(why, word, (size_t)len - (len <= LONGEST && word[len - 1] == '\n'));
    text_put(why, "\": must be %s", options_modes());
    return FOUND_TROUBLE;
}

static enum found read_file(struct watch *w, enum mode *mode, struct text *why)
{
    struct text refusal = *why;
    enum found found;
    long fd;

    text_put(&refusal, ": ");
    fd = log_open_read(config.control_path, w->room, &refusal);
    if (fd < 0) {
        *why = refusal;
        return fd == -ENOENT ? FOUND_NOTHING : FOUND_TROUBLE;
    }
    found = take_word(fd, mode, why);
    sys1(SYS_close, fd);
    return found;
}

static enum found find(struct watch *w, enum mode *mode, struct text *why)
{
    struct stat now;
    long err = sys4(SYS_newfstatat, AT_FDCWD, SYS_ARG(config.control_path), SYS_ARG(&now), 0);
    int reads = err == 0 && is_same(&now, &w->file) ? w->reads : 0;
    enum found found;

    if (reads >= 2)
        return FOUND_SAME;
    found = err == -ENOENT ? FOUND_NOTHING : read_file(w, mode, why);
    w->reads = 0;
    if (err == 0 && (found == FOUND_MODE || found == FOUND_EMPTY)) {
        w->file = now;
        w->reads = reads + 1;
    }
    return found;
}

/* ---- A look ------------------------------------------------------------------------------------ */

/* Told once, for as long as it stays. */
static void note_trouble(struct watch *w, struct text *why)
{
    text_put(why, "; the mode stays %s", options_mode_name(mode_now()));
    if (w->why.len == why->len && memcmp(w->why.bytes, why->bytes, why->len) == 0)
        return;
    w->why = *why;
    w->unreported = true;
}

static void forget_trouble(struct watch *w)
{
    w->why.len = 0;
    w->unreported = false;
}

static void look(struct watch *w)
{
    struct text why = text_over(w->bytes[w->why.bytes == w->bytes[0]], TROUBLE);
    struct identity root = file_identity_at(AT_FDCWD, "/", 0);
    enum mode mode = config.mode;
    enum found found;

    if (!file_same(&root, &w->root))
        return;
    text_put(&why, "SAFECLOSE_CONTROL=\"");
    text_plain(&why, config.control_path, strnlen(config.control_path, 200));
    text_put(&why, "\"");
    found = find(w, &mode, &why);
    if (found == FOUND_TROUBLE)
        note_trouble(w, &why);
    else
        forget_trouble(w);
    if (found == FOUND_MODE || found == FOUND_NOTHING || (found == FOUND_EMPTY && w->empty))
        atomic_store(&control_mode, (int)mode);
    w->empty = found == FOUND_EMPTY || (found == FOUND_SAME && w->empty);
}

void control_start(void)
{
    atomic_store(&control_mode, (int)config.mode);
    if (!config.controlled)
        return;
    watch = sys_map(sizeof(*watch));
    if (!watch) {
        text_put(config_problem(), "no memory for SAFECLOSE_CONTROL; not using it\n");
        config.controlled = false;
        return;
    }
    watch->why = text_over(watch->bytes[1], 0);
    watch->root = file_identity_at(AT_FDCWD, "/", 0);
    look(watch);
    atomic_store(&again, real_clock_ns(CLOCK_MONOTONIC_COARSE) + NS_PER_S);
    if (watch->unreported && mode_now() != MODE_OFF) { /* in which nobody reports problems */
        text_bytes(config_problem(), watch->why.bytes, watch->why.len);
        text_put(config_problem(), "\n");
        watch->unreported = false;
    }
}

bool control_is_due(int64_t now)
{
    return now >= atomic_load_explicit(&again, memory_order_relaxed);
}

/* A thread of the parent that looked when another one forked is not in this process. */
static bool claim(int pid)
{
    int holder = atomic_load(&watch->looking);

    return holder != pid && atomic_compare_exchange_strong(&watch->looking, &holder, pid);
}

bool control_begin(int64_t now, struct control_news *news)
{
    if (!boundary_is_ours() || !signals_block(&news->signals))
        return false;
    if (!control_is_due(now) || !claim(atomic_load(&process->pid))) {
        signals_restore(news->signals);
        return false;
    }
    atomic_store(&again, now + NS_PER_S);
    news->from = mode_now();
    look(watch);
    news->to = mode_now();
    news->trouble = watch->unreported ? &watch->why : NULL;
    return true;
}

void control_end(const struct control_news *news, bool reported)
{
    watch->unreported = watch->unreported && !reported;
    atomic_store(&watch->looking, 0);
    signals_restore(news->signals);
}
