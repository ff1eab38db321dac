#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report/say.h"
#include "report/frames.h"
#include "log/strings.h"
#include "report/words.h"

#include <stdarg.h>
#include <string.h>

#define SENTENCE 1024

struct sentence {
    char bytes[SENTENCE];
    size_t len;
};

static void put(struct sentence *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct sentence *s, const char *format, ...)
{
    va_list values;
    int n;

    va_start(values, format);
    n = vsnprintf(s->bytes + s->len, SENTENCE - s->len, format, values);
    va_end(values);
    s->len += n < 0 ? 0 : (size_t)n;
    if (s->len >= SENTENCE)
        s->len = SENTENCE - 1;
}

static void clear(struct sentence *s)
{
    s->len = 0;
    s->bytes[0] = '\0';
}

const char *say_loss(const struct totals *t)
{
    static struct sentence s;

    clear(&s);
    if (t->unacked)
        put(&s, "up to %s of output lost", words_bytes(t->unacked));
    if (t->unacked && t->unsent)
        put(&s, ", %s of it for certain", words_bytes(t->unsent));
    if (t->clients)
        put(&s, "%s%s reset before the program accepted them", s.len ? "; " : "",
            words_count(t->clients, "connection"));
    return s.bytes;
}

const char *say_outcomes(const struct totals *t)
{
    static struct sentence s;

    clear(&s);
    put(&s, "%s", t->resets ? words_count(t->resets, "reset") : "no reset");
    if (t->later)
        put(&s, ", %s of them after the close", words_number(t->later));
    if (t->unconfirmed)
        put(&s, " (%s not confirmed by the kernel)", words_number(t->unconfirmed));
    if (t->mended)
        put(&s, ", %s mended by drain or linger", words_number(t->mended));
    if (t->passed)
        put(&s, ", %s left alone by drain or linger", words_number(t->passed));
    if (t->held)
        put(&s, ", %s still held by somebody", words_number(t->held));
    if (t->unknown)
        put(&s, ", %s unknown", words_number(t->unknown));
    return s.bytes;
}

bool say_knows_closes(const struct report *report)
{
    const struct summaries *s = &report->summaries;

    return s->count && s->closes >= report->totals.closes;
}

static uint32_t resetting_groups(const struct report *report)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < report->groups.count; i++)
        count += report->groups.sorted[i]->totals.resets > 0;
    return count;
}

const char *say_headline(const struct report *report)
{
    static struct sentence s;
    const struct totals *t = &report->totals;
    const char *loss = say_loss(t);

    clear(&s);
    put(&s, "%s", words_count(t->resets, "reset"));
    if (say_knows_closes(report))
        put(&s, " in %s", words_count(report->summaries.closes, "TCP close"));
    if (report->options->by == BY_SITE && t->resets)
        put(&s, ", from %s%s", report->groups.put_away ? "more than " : "",
            words_count(resetting_groups(report), "call site"));
    put(&s, ".");
    if (*loss)
        put(&s, " %c%s.", *loss == 'u' ? 'U' : *loss, loss + 1);
    else if (t->resets)
        put(&s, t->unmeasured ? " How much output was lost is unknown." : " No output was lost.");
    if (t->mended)
        put(&s, " %s would have been reset without drain or linger.", words_number(t->mended));
    return s.bytes;
}

/* "alpha:server[42]", or "server[42]" where there is only one host. */
static const char *process_of(const struct report *report, const char *text)
{
    const char *host = strings_text(report->first_host);
    size_t len = strlen(host);

    return !report->several_hosts && len && strncmp(text, host, len) == 0 && text[len] == ':'
               ? text + len + 1
               : text;
}

const char *say_label(const struct report *report, const struct group *group)
{
    const char *label = strings_text(group->label);

    return *label ? process_of(report, label) : "unknown";
}

const char *say_tally(const struct report *report, const struct group *group, enum tally_kind kind,
                      size_t most, const char *(*words)(const char *value))
{
    static struct sentence s;
    size_t count;
    const struct tally_entry *e = tally_of(group->key, kind, &count);

    clear(&s);
    for (size_t i = 0; i < count && i < most; i++) {
        const char *text = strings_text(e[i].string);

        if (kind == TALLY_PROCESS)
            text = process_of(report, text);
        text = words ? words(text) : text;
        put(&s, "%s%s", i ? ", " : "", *text ? words_plain(text, 60) : "unknown");
        if (count > 1)
            put(&s, " (%s)", words_number(e[i].count));
    }
    if (count > most)
        put(&s, ", %s more", words_number(count - most));
    return s.bytes;
}

const char *say_sample(struct sample *sample, const char *(*words)(uint64_t value))
{
    static struct sentence s;

    clear(&s);
    if (sample->largest && sample->seen == 1)
        put(&s, "%s", words(sample->largest));
    else if (sample->largest)
        put(&s, "median %s, largest %s", words(sample_median(sample)), words(sample->largest));
    return s.bytes;
}

const char *say_where(const struct report *report, const struct group *group, size_t columns)
{
    static struct sentence s;
    const struct frame *frame = frames_guilty(report, group);
    const struct frame_name *name = frame ? frames_name(report, frame) : NULL;
    char line[128] = "";
    size_t left;

    clear(&s);
    if (!frame) {
        put(&s, "%s (no stack)",
            words_plain(strings_text(group->via), columns > 16 ? columns - 11 : 5));
        return s.bytes;
    }
    if (name->line)
        snprintf(line, sizeof(line), " %s:%u", words_plain(words_file(name->file), 40), name->line);
    left = columns > strlen(line) + 8 ? columns - strlen(line) : 8;
    if (*name->function)
        put(&s, "%s%s",
            words_plain(words_function(*name->inlined ? name->inlined : name->function), left),
            line);
    else if (!frame->module)
        put(&s, "0x%llx (in no module)", (unsigned long long)frame->offset);
    else
        put(&s, "%s+0x%llx",
            words_plain(words_file(strings_text(frame->module)), left > 28 ? left - 20 : 8),
            (unsigned long long)frame->offset);
    return s.bytes;
}

static void tell_count(void (*tell)(void *to, const char *sentence), void *to, uint64_t n,
                       const char *word, const char *rest)
{
    char text[256];

    snprintf(text, sizeof(text), "%s %s", words_count(n, word), rest);
    if (n)
        tell(to, text);
}

static void tell_summaries(const struct report *report,
                           void (*tell)(void *to, const char *sentence), void *to)
{
    const struct summaries *s = &report->summaries;

    tell_count(tell, to, s->suppressed, "event",
               "not logged: more than 100 a second. The numbers above lack them.");
    tell_count(tell, to, s->lost, "log line", "lost: the log could not be written.");
    tell_count(tell, to, s->too_early, "close", "came before the library was ready.");
    tell_count(tell, to, s->peer_may_send, "close",
               "while the peer could still send: data that comes later resets, unseen here.");
    tell_count(tell, to, s->at_risk, "close", "of these had output that was not acknowledged yet.");
    tell_count(tell, to, s->forgotten, "connection",
               "still held at the close; a later reset is not seen here.");
    if (!say_knows_closes(report) && report->totals.closes)
        tell(to,
             "How many closes there were in all: summaries are missing, as of a process that was "
             "killed, or still runs.");
}

static void tell_watches(const struct report *report, void (*tell)(void *to, const char *sentence),
                         void *to)
{
    const struct watches *w = &report->watches;

    tell_count(tell, to, w->received, "reset", "that came in: the peer's, not counted above.");
    if (w->sampled)
        tell(to, "Each single reset: safeclose watch looked at one in several, which counts as "
                 "several.");
    if (w->unwritten)
        tell(to, "Resets that safeclose watch did not write: more than 100 a second. The numbers "
                 "above lack them.");
    tell_count(tell, to, w->lost, "event", "lost by safeclose watch: resets may be missing above.");
}

static void tell_input(const struct report *report, void (*tell)(void *to, const char *sentence),
                       void *to)
{
    const struct input_counts *in = &report->input;

    tell_count(tell, to, in->foreign, "line", "not understood: not an event of safeclose.");
    tell_count(tell, to, in->torn, "last line", "without an end: still being written, or torn.");
    tell_count(tell, to, in->newer, "event", "of a kind that this version doesn't know.");
}

void say_unknowns(const struct report *report, void (*tell)(void *to, const char *sentence),
                  void *to)
{
    const struct groups *g = &report->groups;

    tell_count(tell, to, report->totals.unknown, "close", "whose outcome is unknown.");
    tell_count(tell, to, report->totals.unmeasured, "reset",
               "of which the log doesn't say how much output they threw away.");
    tell_summaries(report, tell, to);
    tell_watches(report, tell, to);
    tell_input(report, tell, to);
    tell_count(tell, to, g->put_away, "rare group",
               "summed up as the rest, because there are too many.");
    tell_count(tell, to, tally_untold(), "detail", "left out, because there are too many.");
    if (!frames_have_lines())
        tell(to, "Source files and lines: addr2line (of binutils) is not installed.");
    if (strings_full())
        tell(to, "There are too many different names to tell all of them apart.");
}
