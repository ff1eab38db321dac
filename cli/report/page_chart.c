#include "report/page.h"
#include "report/html.h"
#include "log/strings.h"
#include "report/words.h"

#include <string.h>

#define BARS 96     /* at most */
#define HEIGHT 160U /* of the highest bar, in pixels */

struct bars {
    uint64_t counts[TIMELINE_ROWS][BARS];
    uint64_t largest; /* sum of a bar */
    unsigned count;
    unsigned steps; /* of the timeline, in a bar */
    int64_t first;  /* microseconds since 1970 */
    int64_t length; /* of a bar */
};

unsigned page_colour(const struct report *report, uint32_t cause)
{
    for (unsigned i = 0; i < report->timeline_rows; i++)
        if (report->timeline_causes[i] == cause)
            return i;
    return TIMELINE_ROWS - 1;
}

static void fill(struct bars *b, const struct timeline *t, unsigned first, unsigned last)
{
    memset(b, 0, sizeof(*b));
    b->steps = (last - first) / BARS + 1;
    b->count = (last - first) / b->steps + 1;
    b->first = (t->first + first) * t->step;
    b->length = b->steps * t->step;
    for (unsigned bar = 0; bar < b->count; bar++) {
        uint64_t sum = 0;

        for (unsigned row = 0; row < TIMELINE_ROWS; row++)
            for (unsigned i = 0; i < b->steps && first + bar * b->steps + i <= last; i++) {
                b->counts[row][bar] += t->counts[row][first + bar * b->steps + i];
                sum += t->counts[row][first + bar * b->steps + i];
            }
        if (sum > b->largest)
            b->largest = sum;
    }
}

/* The causes of one bar, one on the other. Its title is what a browser shows at the pointer. */
static void put_bar(const struct report *report, FILE *to, const struct bars *b, unsigned bar)
{
    double width = 100.0 / b->count, y = HEIGHT + 10;

    fputs("<g><title>", to);
    fprintf(to, "%s UTC", words_time(b->first + bar * b->length, true));
    for (unsigned row = 0; row < report->timeline_rows; row++)
        if (b->counts[row][bar]) {
            fprintf(to, ", %s ", words_number(b->counts[row][bar]));
            html_text(to, strings_text(report->timeline_causes[row]), 24);
        }
    fputs("</title>", to);
    for (unsigned row = 0; row < report->timeline_rows; row++) {
        double height = (double)b->counts[row][bar] * HEIGHT / (double)b->largest;

        if (height <= 0)
            continue;
        y -= height;
        fprintf(to,
                "<rect class=\"c%u\" x=\"%.3f%%\" y=\"%.2f\" width=\"%.3f%%\" height=\"%.2f\"/>",
                row, bar * width, y, width * 0.9, height);
    }
    fputs("</g>\n", to);
}

static void put_legend(const struct report *report, FILE *to)
{
    fputs("<p class=\"legend\">", to);
    for (unsigned row = 0; row < report->timeline_rows; row++) {
        fprintf(to, "<span class=\"cause c%u\">", row);
        html_text(to, strings_text(report->timeline_causes[row]), 24);
        fputs("</span> ", to);
    }
    fputs("</p>\n", to);
}

void page_chart(const struct report *report, FILE *to)
{
    static struct bars bars;
    unsigned first, last;

    if (!timeline_range(&report->timeline, &first, &last))
        return;
    fill(&bars, &report->timeline, first, last);
    fputs("<section>\n<h2>Resets over time</h2>\n", to);
    put_legend(report, to);
    fprintf(to,
            "<svg class=\"chart\" width=\"100%%\" height=\"%u\" role=\"img\" aria-label=\"Resets "
            "over time, at most %s in %s\">\n",
            HEIGHT + 34, words_number(bars.largest),
            words_duration_ms((uint64_t)bars.length / 1000));
    for (unsigned bar = 0; bar < bars.count; bar++)
        put_bar(report, to, &bars, bar);
    fprintf(to, "<line x1=\"0\" x2=\"100%%\" y1=\"%u\" y2=\"%u\"/>\n", HEIGHT + 10, HEIGHT + 10);
    fprintf(to, "<text x=\"0\" y=\"%u\">%s</text>\n", HEIGHT + 28, words_time(bars.first, true));
    fprintf(to, "<text x=\"100%%\" y=\"%u\" text-anchor=\"end\">%s UTC</text>\n", HEIGHT + 28,
            words_time(bars.first + bars.count * bars.length, true));
    fprintf(to, "</svg>\n<p class=\"aside\">The highest bar: %s in %s.</p>\n</section>\n",
            words_count(bars.largest, "reset"), words_duration_ms((uint64_t)bars.length / 1000));
}
