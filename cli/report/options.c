#include "common/say.h"
#include "report/options.h"
#include "log/event.h"
#include "shim/settings/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_TOP 10
#define DEFAULT_WIDTH 80
#define DEFAULT_ERROR_CAUSES "unread-data,late-data"

enum {
    BY = 256,
    SINCE,
    UNTIL,
    TOP,
    PORTS,
    PID,
    PROGRAM,
    CAUSE,
    JSON,
    FOLDED,
    WEIGHT,
    HTML,
    PROMETHEUS,
    ERROR_EXITCODE,
    ERROR_CAUSES
};

static const struct option long_options[] = {
    {"by", required_argument, NULL, BY},
    {"since", required_argument, NULL, SINCE},
    {"until", required_argument, NULL, UNTIL},
    {"top", required_argument, NULL, TOP},
    {"ports", required_argument, NULL, PORTS},
    {"pid", required_argument, NULL, PID},
    {"program", required_argument, NULL, PROGRAM},
    {"cause", required_argument, NULL, CAUSE},
    {"json", no_argument, NULL, JSON},
    {"folded", no_argument, NULL, FOLDED},
    {"weight", required_argument, NULL, WEIGHT},
    {"html", required_argument, NULL, HTML},
    {"prometheus", no_argument, NULL, PROMETHEUS},
    {"error-exitcode", required_argument, NULL, ERROR_EXITCODE},
    {"error-causes", required_argument, NULL, ERROR_CAUSES},
    {"wide", no_argument, NULL, 'w'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool refuse(const char *option, const char *value, const char *allowed)
{
    unable("use %s \"%s\": must be %s", option, value, allowed);
    return false;
}

/* ---- Values -------------------------------------------------------------------------------------- */

static bool read_number(const char *value, uint64_t least, uint64_t most, uint64_t *number)
{
    const struct json_value digits = {JSON_NUMBER, false, value, strlen(value)};

    return *value && json_number(&digits, most, number) && *number >= least;
}

static bool read_by(const char *value, enum report_by *by)
{
    static const char *const names[] = {"site", "cause", "port", "peer", "process", "host"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], value) == 0) {
            *by = (enum report_by)i;
            return true;
        }
    return refuse("--by", value, "site, cause, port, peer, process or host");
}

/* "90m": so long ago. */
static bool read_ago(const char *value, int64_t *time)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    size_t len = strspn(value, "0123456789");
    const char *unit = value[len] ? strchr(units, value[len]) : NULL;
    struct timespec now;

    if (!len || len > 6 || !unit || value[len + 1])
        return false;
    clock_gettime(CLOCK_REALTIME, &now);
    *time = (now.tv_sec - atoll(value) * seconds[unit - units]) * 1000000;
    return true;
}

/* "2026-11-29", "2026-11-29T09:00", with seconds, with Z; "09:00" is today's. All in UTC. */
static bool read_moment(const char *value, int64_t *time)
{
    char text[] = "2000-01-01T00:00:00.000000Z";
    size_t len = strlen(value), at = 0;
    time_t now;
    struct tm tm;

    if (len && value[len - 1] == 'Z')
        len--;
    if (len >= 5 && value[2] == ':') {
        at = 11;
        now = (time_t)(*time / 1000000);
        gmtime_r(&now, &tm);
        strftime(text, at, "%Y-%m-%d", &tm);
        text[10] = 'T';
    }
    if (at + len > 19 || (at + len != 10 && at + len != 16 && at + len != 19))
        return false;
    memcpy(text + at, value, len);
    if (text[10] == ' ')
        text[10] = 'T';
    return log_time(text, strlen(text), time);
}

static bool read_time(const char *option, const char *value, int64_t *to)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    *to = (int64_t)now.tv_sec * 1000000;
    return read_ago(value, to) || read_moment(value, to) ||
           refuse(option, value,
                  "a time in UTC (2026-11-29, 2026-11-29T09:00, 09:00) or how long ago (90m, 2h, "
                  "7d)");
}

/* The same form as the setting of the library. */
static bool read_ports(const char *value, struct report_options *o)
{
    static struct config taken;
    struct option_rule rule;

    if (options_take(&taken, "PORTS", 5, value, &rule) != OPTION_TAKEN)
        return refuse("--ports", value, rule.allowed);
    memcpy(o->ports, taken.ports, sizeof(o->ports));
    o->port_ranges = taken.port_ranges;
    return true;
}

static bool set_form(struct report_options *o, enum report_form form)
{
    if (o->form != FORM_TEXT && o->form != form) {
        unable("write two forms of a report at a time: give one of --html, --json, --folded and "
               "--prometheus");
        return false;
    }
    o->form = form;
    return true;
}

static bool read_limits(struct report_options *o, int option, const char *value)
{
    uint64_t number = 0;

    if (option == TOP && !read_number(value, 0, 1000000, &number))
        return refuse("--top", value, "a number up to 1000000; 0: all");
    if (option == TOP)
        o->top = (unsigned)number;
    if (option == PID && !read_number(value, 1, 1 << 22, &o->pid))
        return refuse("--pid", value, "a process ID, 1 to 4194304");
    if (option == ERROR_EXITCODE && !read_number(value, 1, 255, &number))
        return refuse("--error-exitcode", value, "a number from 1 to 255");
    if (option == ERROR_EXITCODE)
        o->error_exitcode = (int)number;
    return true;
}

static bool read_form(struct report_options *o, int option, const char *value)
{
    switch (option) {
    case JSON:
        return set_form(o, FORM_JSON);
    case FOLDED:
        return set_form(o, FORM_FOLDED);
    case PROMETHEUS:
        return set_form(o, FORM_PROMETHEUS);
    case HTML:
        o->html = value;
        return set_form(o, FORM_HTML);
    default:
        if (strcmp(value, "count") != 0 && strcmp(value, "lost") != 0)
            return refuse("--weight", value, "count or lost");
        o->weigh_lost = *value == 'l';
        return true;
    }
}

static bool read_option(struct report_options *o, int option, const char *value)
{
    switch (option) {
    case 'w':
        o->width = 0;
        return true;
    case BY:
        return read_by(value, &o->by);
    case SINCE:
        return read_time("--since", value, &o->since);
    case UNTIL:
        return read_time("--until", value, &o->until);
    case PORTS:
        return read_ports(value, o);
    case PROGRAM:
        o->program = value;
        return true;
    case CAUSE:
        o->causes = value;
        return true;
    case ERROR_CAUSES:
        o->error_causes = value;
        return true;
    case TOP:
    case PID:
    case ERROR_EXITCODE:
        return read_limits(o, option, value);
    default:
        return read_form(o, option, value);
    }
}

static bool bad_option(int option, char **argv)
{
    const char *hint = "try: safeclose report --help";

    if (option == ':')
        unable("use %s: it needs a value; %s", argv[optind - 1], hint);
    else if (optopt && optopt < BY)
        unable("understand -%c: no such option; %s", optopt, hint);
    else
        unable("understand %s: no such option, or the abbreviation of several; %s",
               argv[optind - 1], hint);
    return false;
}

static bool go_together(const struct report_options *o)
{
    if (o->since && o->until && o->since >= o->until)
        unable("report on no time at all: --since is not before --until");
    else if (o->weigh_lost && o->form != FORM_FOLDED)
        unable("use --weight: it belongs to --folded");
    else
        return true;
    return false;
}

enum options_result report_options_read(struct report_options *o, int argc, char **argv)
{
    int option;

    *o = (struct report_options){.top = DEFAULT_TOP,
                                 .width = DEFAULT_WIDTH,
                                 .error_exitcode = -1,
                                 .error_causes = DEFAULT_ERROR_CAUSES};
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":hw", long_options, NULL)) != -1) {
        if (option == 'h')
            return OPTIONS_HELP;
        if (option == '?' || option == ':') {
            bad_option(option, argv);
            return OPTIONS_BAD;
        }
        if (!read_option(o, option, optarg))
            return OPTIONS_BAD;
    }
    if (o->form == FORM_PROMETHEUS)
        o->by = BY_PROGRAM;
    return go_together(o) ? OPTIONS_GOOD : OPTIONS_BAD;
}
