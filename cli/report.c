/* safeclose report: a day of events on one page. */
#include "cli.h"
#include "gather/report.h"
#include "report/frames.h"
#include "gather/gather.h"
#include "gather/log_input.h"
#include "gather/summary.h"
#include "report/forms.h"
#include "report/options.h"
#include "report/say.h"
#include "report/text.h"
#include "log/strings.h"
#include "report/words.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_BAD_INPUT = 1 };

void report_help(FILE *to)
{
    fputs("usage: safeclose report [OPTION...] [LOG...]\n"
          "Says from logs in JSON (safeclose run -o LOG) which code resets whom, how often,\n"
          "what was lost, and what to do. LOG may be - for standard input, and is by\n"
          "default. Several logs, of several processes and hosts, make one report.\n\n"
          "  --by WHAT            group by site (where the close is called; the default),\n"
          "                       cause, port, peer, process or host\n"
          "  --top N              show the N worst (10); 0: all\n"
          "  --since TIME         leave out what came before: 09:00 or 2026-11-29T09:00\n"
          "                       (UTC), or 2h (ago)\n"
          "  --until TIME         leave out what came then or later\n"
          "  --ports LIST         only connections with such a port: 80,8000-8099\n"
          "  --pid PID            only closes of this process\n"
          "  --program NAME       only closes of programs with this name (comm)\n"
          "  --cause LIST         only closes with one of these causes\n"
          "  -w, --wide           do not fit lines into 80 columns\n"
          "  --json               write JSON\n"
          "  --folded             write stacks as flame graph tools read them\n"
          "  --weight WHAT        of --folded: count (resets) or lost (bytes)\n"
          "  --html FILE          write a page for a browser\n"
          "  --prometheus         write counters for a node exporter's textfile collector\n"
          "  --error-exitcode N   exit with status N if the logs have a reset\n"
          "  --error-causes LIST  with one of these causes (unread-data,late-data)\n"
          "  -h, --help           print this help\n\n"
          "Exit status: 0; 1 if a log can't be read or holds no event; N as above; 125 if\n"
          "safeclose itself fails.\n",
          to);
}

/* It may have been among those that the log lacks. */
static void tell_doubt(const struct report *report)
{
    uint64_t count = report->summaries.suppressed + report->summaries.lost;

    unable("rule out a reset by %s: %s not in the log (more than 100 a second, or it could not be "
           "written)",
           report->options->error_causes, count ? words_count(count, "event") : "events");
}

/* Names the worst in one line, and how much could not be judged. */
static void tell_error(const struct report *report)
{
    const struct group *worst = report->groups.count ? report->groups.sorted[0] : NULL;

    fprintf(stderr, "safeclose: %s by %s", words_count(report->errors, "reset"),
            report->options->error_causes);
    if (worst && report->options->by == BY_SITE)
        fprintf(stderr, "; worst: %s in %s [%s], %s", say_where(report, worst, 60),
                words_plain(say_label(report, worst), 40),
                words_plain(strings_text(worst->cause), 24), words_number(worst->totals.resets));
    fprintf(stderr, "; unknown: %s\n", words_number(report->totals.unknown));
}

static bool write_report(struct report *report)
{
    switch (report->options->form) {
    case FORM_TEXT:
        report_text(report, stdout);
        break;
    case FORM_JSON:
        report_json(report, stdout);
        break;
    case FORM_FOLDED:
        report_folded(report, stdout);
        break;
    case FORM_PROMETHEUS:
        report_prometheus(report, stdout);
        break;
    case FORM_HTML:
        return report_html_file(report);
    }
    return printed();
}

static int finish(struct report *report, bool all_read)
{
    bool written = write_report(report);
    bool asked = report->options->error_exitcode >= 0;
    bool is_error = asked && (report->errors || gather_may_lack_errors(report));

    if (is_error)
        (report->errors ? tell_error : tell_doubt)(report);
    frames_end();
    if (!written)
        return STATUS_FAILED;
    return is_error ? report->options->error_exitcode : all_read ? 0 : STATUS_BAD_INPUT;
}

int report_command(int argc, char **argv)
{
    static struct report_options options;
    static struct report report;
    static char standard_input[] = "-";
    static char *only[] = {standard_input, NULL};
    bool all_read;

    switch (report_options_read(&options, argc, argv)) {
    case OPTIONS_BAD:
        return STATUS_FAILED;
    case OPTIONS_HELP:
        report_help(stdout);
        return printed() ? 0 : STATUS_FAILED;
    case OPTIONS_GOOD:
        break;
    }
    if (optind == argc && isatty(STDIN_FILENO)) {
        unable(
            "report: name a log, as safeclose run -o LOG writes it; try: safeclose report --help");
        return STATUS_FAILED;
    }
    gather_begin(&report, &options);
    all_read = optind == argc ? log_input_read(&report, only, 1)
                              : log_input_read(&report, argv + optind, (unsigned)(argc - optind));
    if (!report.input.events)
        return STATUS_BAD_INPUT;
    gather_end(&report);
    return finish(&report, all_read);
}
