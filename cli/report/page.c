/*
 * The report as a page for a browser, in one file that asks nothing of the network: numbers, chart, flame graph, call
 * sites, peers, processes. All of it is there without a script, which adds zoom and search.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "common/say.h"
#include "report/forms.h"
#include "report/frames.h"
#include "report/html.h"
#include "report/page.h"
#include "report/say.h"
#include "shim/settings/config.h"
#include "report/words.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How every report begins. Only such a file is written over. */
#define BEGINNING "<!DOCTYPE html>\n<!-- A report of safeclose -->\n"

/* ---- The page ------------------------------------------------------------------------------------- */

static void make_nonce(char nonce[33])
{
    unsigned char random[16] = {0};

    if (getrandom(random, sizeof(random), 0) < 0)
        random[0] = 1;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(nonce + 2 * i, 3, "%02x", random[i]);
}

/* Nothing from elsewhere, and no script but ours: it alone has this number. So markup that got through our escapes would
 * still do nothing. */
static void put_head(FILE *to, const char *nonce)
{
    fputs(BEGINNING "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", to);
    fprintf(to,
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "style-src 'nonce-%s'; script-src 'nonce-%s'\">\n",
            nonce, nonce);
    fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<title>TCP resets</title>\n",
          to);
    fprintf(to, "<style nonce=\"%s\">\n%s</style>\n</head>\n", nonce, html_style);
}

static void put_card(FILE *to, const char *number, const char *words)
{
    fputs("<div class=\"card\"><dt>", to);
    html_text(to, words, 0);
    fputs("</dt><dd>", to);
    html_text(to, number, 0);
    fputs("</dd></div>\n", to);
}

static void put_cards(const struct report *report, FILE *to)
{
    const struct totals *t = &report->totals;

    fputs("<dl class=\"cards\">\n", to);
    put_card(to, words_number(t->resets), t->resets == 1 ? "reset" : "resets");
    put_card(to, words_bytes(t->unacked), "of output lost, at most");
    put_card(to, words_bytes(t->unsent), "of output lost, at least");
    if (report->options->by == BY_SITE)
        put_card(to, words_number(report->groups.count),
                 report->groups.count == 1 ? "call site" : "call sites");
    if (say_knows_closes(report))
        put_card(to, words_number(report->summaries.closes), "TCP closes in all");
    if (t->mended)
        put_card(to, words_number(t->mended), "mended by drain or linger");
    if (t->unknown)
        put_card(to, words_number(t->unknown), "unknown");
    fputs("</dl>\n", to);
}

struct list {
    FILE *to;
    bool begun;
};

static void put_sentence(void *to, const char *sentence)
{
    struct list *list = to;

    if (!list->begun)
        fputs("<section>\n<h2>What this does not tell</h2>\n<ul>\n", list->to);
    list->begun = true;
    html_element(list->to, "li", NULL, sentence);
}

static void put_trouble(void *to, const char *path, const char *why)
{
    char text[512];

    snprintf(text, sizeof(text), "No names from %s: %s", words_plain(path, 200), why);
    put_sentence(to, text);
}

static void put_unknowns(const struct report *report, FILE *to)
{
    struct list list = {to, false};

    say_unknowns(report, put_sentence, &list);
    frames_trouble(put_trouble, &list);
    if (list.begun)
        fputs("</ul>\n</section>\n", to);
}

static void put_page(struct report *report, FILE *to)
{
    char nonce[33];

    make_nonce(nonce);
    put_head(to, nonce);
    fputs("<body>\n<header>\n<h1>TCP resets</h1>\n<p>", to);
    if (report->first)
        fprintf(to, "%s to %s UTC, ", words_time(report->first, true),
                words_time(report->last, true));
    fprintf(to, "%s in %s.</p>\n", words_count(report->input.events, "event"),
            words_count(report->input.files, "file"));
    put_cards(report, to);
    fputs("</header>\n<main>\n", to);
    page_chart(report, to);
    page_overview(report, to);
    page_flames(report, to);
    page_sites(report, to);
    page_table(report, &report->peers, "Peers", "Peer", to);
    page_table(report, &report->processes, "Processes", "Process", to);
    put_unknowns(report, to);
    fputs("</main>\n<footer>safeclose " SAFECLOSE_VERSION "</footer>\n", to);
    fprintf(to, "<script nonce=\"%s\">\n%s</script>\n</body>\n</html>\n", nonce, html_script);
}

/* ---- The file ------------------------------------------------------------------------------------- */

static bool fail(const char *file, const char *why)
{
    unable("write the report to \"%s\": %s", file, why);
    return false;
}

/* Where the page goes. */
struct target {
    const char *file; /* as the user names it */
    char *path;       /* the same, or what it is a link to: the link stays */
    bool exists;
    struct stat st;
};

/* A link to nothing is a mistake. */
static bool find(struct target *t)
{
    char link;

    t->path = realpath(t->file, NULL);
    t->exists = t->path != NULL;
    if (!t->exists && errno == ENOENT && readlink(t->file, &link, 1) < 0)
        t->path = text_of("%s", t->file);
    return t->path || fail(t->file, strerror(errno));
}

/* True of a report, an empty file, and none at all. */
static bool may_be_replaced(struct target *t)
{
    char bytes[sizeof(BEGINNING) - 1];
    int fd = t->exists ? open(t->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n;

    if (fd < 0)
        return !t->exists || fail(t->file, strerror(errno));
    if (fstat(fd, &t->st) != 0 || !S_ISREG(t->st.st_mode)) {
        close(fd);
        return fail(t->file,
                    S_ISDIR(t->st.st_mode) ? "it is a directory" : "it is no regular file");
    }
    n = read(fd, bytes, sizeof(bytes));
    close(fd);
    if (n == 0 || (n == (ssize_t)sizeof(bytes) && memcmp(bytes, BEGINNING, sizeof(bytes)) == 0))
        return true;
    return fail(t->file, "it exists, and is not a report");
}

/* Changed by write_file only. */
static const char *unfinished;

static void remove_unfinished(int signal)
{
    unlink(unfinished);
    raise(signal);
}

/* Of the signals that end us, those that are not ignored. */
static void at_end(void (*handler)(int))
{
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction old, action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};

    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
}

/* A report has addresses of peers in it: whoever could not read the old one must not read this one. Only root can
 * keep its owner. */
static bool set_rights(int fd, const struct target *t)
{
    mode_t mask = umask(0);

    umask(mask);
    if (!t->exists)
        return fchmod(fd, 0666 & ~mask) == 0;
    return (fchown(fd, t->st.st_uid, t->st.st_gid) == 0 || errno == EPERM) &&
           fchmod(fd, t->st.st_mode & 0777) == 0;
}

/* A file that came meanwhile stays, except on file systems that can't promise it. */
static bool put_in_place(const char *name, const struct target *t)
{
    if (!t->exists &&
        syscall(SYS_renameat2, AT_FDCWD, name, AT_FDCWD, t->path, RENAME_NOREPLACE) == 0)
        return true;
    return (t->exists || errno == EINVAL || errno == ENOSYS) && rename(name, t->path) == 0;
}

/* Beside the file, and renamed when it is whole, so that a browser never loads half of one. */
static bool write_file(struct report *report, const struct target *t)
{
    char *name = text_of("%s.XXXXXX", t->path);
    int fd = mkostemp(name, O_CLOEXEC);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = to != NULL;

    unfinished = name;
    if (good) {
        at_end(remove_unfinished);
        put_page(report, to);
        good = !ferror(to) && set_rights(fd, t);
        good = fclose(to) == 0 && good && put_in_place(name, t);
        at_end(SIG_DFL);
    }
    if (!good) {
        fail(t->file, strerror(errno));
        if (fd >= 0)
            unlink(name);
    }
    free(name);
    return good;
}

bool report_html_file(struct report *report)
{
    struct target target = {.file = report->options->html};
    bool good;

    if (strcmp(target.file, "-") == 0) {
        put_page(report, stdout);
        return printed();
    }
    good = find(&target) && may_be_replaced(&target) && write_file(report, &target);
    free(target.path);
    if (!good)
        return false;
    printf("%s\n", say_headline(report));
    return printed();
}
