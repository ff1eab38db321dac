#include "report/advice.h"
#include "shim/report/meaning.h"
#include "trace/reset_cause.h"
#include "log/strings.h"

#include <string.h>

#define LINGERS "without touching the program: SAFECLOSE_MODE=linger"

/* Kernels give the ports above it to clients. */
#define FIRST_CLIENT_PORT 32768

static const struct {
    const char *name;
    struct advice advice;
} causes[] = {
#define CAUSE(id, name, why, peer, fix, without) {name, {"", fix, without, why, peer}},
#include "shim/tcp/causes.def"
#undef CAUSE
};

struct row {
    const char *name, *words;
};

static const struct row contents[] = {
#define CONTENT(id, name, words) {name, words},
#include "shim/tcp/content.def"
#undef CONTENT
};

static const struct row notes[] = {
#define REASON(id, name, text) {name, text},
#include "shim/report/reasons.def"
#undef REASON
};

static const struct row ends[] = {
#define END(id, name, text) {name, text},
#include "shim/remedy/ends.def"
#undef END
};

static int row_named(const struct row *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return (int)i;
    return -1;
}

#define WORDS(rows, name)                                                                          \
    (row_named(rows, sizeof(rows) / sizeof(rows[0]), name) < 0                                     \
         ? (name)                                                                                  \
         : rows[row_named(rows, sizeof(rows) / sizeof(rows[0]), name)].words)

const char *advice_content(const char *name)
{
    return WORDS(contents, name);
}

const char *advice_note(const char *name)
{
    return WORDS(notes, name);
}

const char *advice_ended(const char *name)
{
    return WORDS(ends, name);
}

/* ---- What most of its closes were ------------------------------------------------------------------ */

static bool is_most(uint64_t of, const struct group *g)
{
    return of && 2 * of >= g->totals.closes;
}

/* Logs of older versions don't say whose a connection was; its ports do. */
static enum whose whose(const struct group *g)
{
    if (is_most(g->accepted, g))
        return ACCEPTED;
    if (is_most(g->opened, g))
        return OPENED;
    if (g->accepted || g->opened)
        return EITHER;
    if (g->peer_ports_differ != g->local_ports_differ)
        return g->peer_ports_differ ? ACCEPTED : OPENED;
    if (g->local_port && g->local_port < FIRST_CLIENT_PORT && g->peer_port >= FIRST_CLIENT_PORT)
        return ACCEPTED;
    if (g->peer_port && g->peer_port < FIRST_CLIENT_PORT && g->local_port >= FIRST_CLIENT_PORT)
        return OPENED;
    return EITHER;
}

static enum content content(const struct group *g)
{
    size_t count;
    const struct tally_entry *entries = tally_of(g->key, TALLY_CONTENT, &count);
    int row = count && is_most(entries[0].count, g)
                  ? row_named(contents, CONTENT_COUNT, strings_text(entries[0].string))
                  : 0;

    /* Whether it was the first request or a later one makes all the difference. */
    if (row == CONTENT_HTTP_REQUEST && !g->progress_known)
        return CONTENT_NONE;
    return row < 0 ? CONTENT_NONE : (enum content)row;
}

static unsigned when(const struct group *g)
{
    return (is_most(g->ended, g) ? ENDED : 0) | (is_most(g->untouched, g) ? UNTOUCHED : 0) |
           (is_most(g->answered, g) ? ANSWERED : 0);
}

/* A cause that only safeclose watch sees. */
static bool of_watch(const char *name, struct advice *advice)
{
    for (unsigned i = 0; i < RESET_CAUSES; i++)
        if (strcmp(reset_cause_name((enum reset_cause)i), name) == 0) {
            *advice = (struct advice){reset_cause_words((enum reset_cause)i),
                                      reset_cause_fix((enum reset_cause)i),
                                      i == RESET_LATE_DATA ? LINGERS : "", "", ""};
            return true;
        }
    return false;
}

bool advice_for(const struct group *g, struct advice *advice)
{
    const char *name = strings_text(g->cause);
    const struct meaning *meaning;

    memset(advice, 0, sizeof(*advice));
    for (unsigned i = 0; i < CAUSE_COUNT; i++) {
        if (strcmp(causes[i].name, name) != 0)
            continue;
        *advice = causes[i].advice;
        meaning = meaning_of((enum cause)i, content(g), whose(g), when(g));
        if (meaning)
            advice->what = meaning->what;
        if (meaning && *meaning->advice)
            advice->fix = meaning->advice;
        return true;
    }
    return of_watch(name, advice);
}
