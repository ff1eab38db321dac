/* Counters for the textfile collector of Prometheus' node exporter. They rise as the logs grow. */
#include "report/forms.h"
#include "log/strings.h"
#include "report/words.h"

/* A value of a label: backslash, quote and line break are escaped. */
static void put_value(FILE *to, const char *text)
{
    for (text = words_plain(text, 200); *text; text++) {
        if (*text == '\\' || *text == '"')
            putc('\\', to);
        putc(*text, to);
    }
}

static void put_head(FILE *to, const char *name, const char *help)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
}

static void put_counter(const struct report *report, FILE *to, const char *name, const char *help,
                        uint64_t (*value)(const struct totals *))
{
    put_head(to, name, help);
    for (uint32_t i = 0; i < report->groups.count; i++) {
        const struct group *g = report->groups.sorted[i];

        fprintf(to, "%s{program=\"", name);
        put_value(to, strings_text(g->label));
        fputs("\",cause=\"", to);
        put_value(to, strings_text(g->cause));
        fprintf(to, "\"} %llu\n", (unsigned long long)value(&g->totals));
    }
}

static void put_plain(FILE *to, const char *name, const char *help, uint64_t value)
{
    put_head(to, name, help);
    fprintf(to, "%s %llu\n", name, (unsigned long long)value);
}

static uint64_t resets(const struct totals *t)
{
    return t->resets;
}

/* Not those that were mended in the end: their number falls when one is reset later, and Prometheus takes a counter
 * that falls for one that began anew. */
static uint64_t acted(const struct totals *t)
{
    return t->acted;
}

static uint64_t undone(const struct totals *t)
{
    return t->undone;
}

static uint64_t unknown(const struct totals *t)
{
    return t->unknown;
}

static uint64_t lost(const struct totals *t)
{
    return t->unacked;
}

static uint64_t unsent(const struct totals *t)
{
    return t->unsent;
}

void report_prometheus(const struct report *report, FILE *to)
{
    put_counter(report, to, "safeclose_resets_total", "TCP connections that a close reset.",
                resets);
    put_counter(report, to, "safeclose_acted_total",
                "Closes that drain or linger kept from a reset at once.", acted);
    put_counter(report, to, "safeclose_acted_resets_total",
                "Of these, connections that were reset in the end.", undone);
    put_counter(report, to, "safeclose_unknown_total",
                "Closes with a cause for a reset whose outcome is unknown.", unknown);
    put_counter(report, to, "safeclose_lost_bytes_total",
                "Bytes of output that resets may have thrown away.", lost);
    put_counter(report, to, "safeclose_unsent_bytes_total",
                "Bytes of output that resets threw away for certain.", unsent);
    put_plain(to, "safeclose_suppressed_events_total",
              "Events that were not logged, because there were more than 100 a second.",
              report->summaries.suppressed);
    put_plain(to, "safeclose_foreign_lines_total", "Lines of the logs that are no events.",
              report->input.foreign);
}
