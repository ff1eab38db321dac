#include "common/say.h"
#include "process/process.h"
#include "shim/settings/options.h"
#include "watch/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static bool take_pid(struct watch_options *w, const char *value)
{
    char *end;
    long pid = strtol(value, &end, 10);
    size_t len;
    char *status;

    if (*value < '1' || *value > '9' || *end || pid > INT_MAX) {
        unable("use --pid=\"%s\": must be the id of a process", value);
        return false;
    }
    status = process_file((pid_t)pid, "status", &len);
    if (!status)
        unable("watch process %ld: %s", pid, errno == ENOENT ? "there is none" : strerror(errno));
    free(status);
    w->pid = (pid_t)pid;
    return status != NULL;
}

/* As the settings of the library that mean the same. */
static bool take_setting(struct config *to, const char *setting, const char *option,
                         const char *value)
{
    struct option_rule rule;

    if (options_take(to, setting, strlen(setting), value, &rule) == OPTION_TAKEN)
        return true;
    unable("use --%s=\"%s\": must be %s", option, value, rule.allowed);
    return false;
}

static bool take_option(struct watch_options *w, int option, char **argv)
{
    struct config duration = {.linger_time = 0};

    switch (option) {
    case 'p':
        return take_pid(w, optarg);
    case 'P':
        return take_setting(&w->ports, "PORTS", "ports", optarg);
    case 'f':
        if (!take_setting(&duration, "LINGER_TIME", "for", optarg))
            return false;
        w->time = duration.linger_time;
        return true;
    case 'l':
        w->log = optarg;
        return true;
    case 'r':
        return w->received = true;
    case 'j':
        return w->json = true;
    case 'h':
        return w->help = true;
    case ':':
        unable("use %s: it needs a value; try: safeclose watch --help", argv[optind - 1]);
        return false;
    default:
        unable("understand %s: no such option; try: safeclose watch --help", argv[optind - 1]);
        return false;
    }
}

bool watch_options_read(struct watch_options *w, int argc, char **argv)
{
    static const struct option options[] = {
        {"pid", required_argument, NULL, 'p'}, {"ports", required_argument, NULL, 'P'},
        {"for", required_argument, NULL, 'f'}, {"received", no_argument, NULL, 'r'},
        {"log", required_argument, NULL, 'l'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:h", options, NULL)) != -1)
        if (!take_option(w, option, argv))
            return false;
    if (optind == argc || w->help)
        return true;
    unable("watch: \"%s\" is no option; try: safeclose watch --help", argv[optind]);
    return false;
}

bool watch_options_have_port(const struct watch_options *w, uint16_t port)
{
    for (unsigned i = 0; i < w->ports.port_ranges; i++)
        if (port >= w->ports.ports[i].first && port <= w->ports.ports[i].last)
            return true;
    return !w->ports.port_ranges;
}

/* The closes; their ports, if the text fits: the kernel takes 4 kB. */
char *watch_options_filter(const struct watch_options *w)
{
    /* FIN_WAIT1; and what ends FIN_WAIT2, but by a packet or a timer (common_flags: within an interrupt). Not LAST_ACK:
     * then the peer has sent its FIN, and no data can come late. It is how most closes of a server end. */
    static const char closes[] =
        "(newstate == 4 || (oldstate == 5 && newstate == 7 && !(common_flags & 24)))";
    char *filter = text_of("%s", closes);

    for (unsigned i = 0; i < w->ports.port_ranges && i < 16; i++) {
        const struct port_range *r = &w->ports.ports[i];
        char *longer = text_of("%s%s (sport >= %u && sport <= %u) || (dport >= %u && dport <= %u)",
                               filter, i ? " ||" : " && (", r->first, r->last, r->first, r->last);
        free(filter);
        filter = longer;
    }
    if (w->ports.port_ranges > 16) {
        free(filter);
        return text_of("%s", closes);
    }
    if (w->ports.port_ranges) {
        char *longer = text_of("%s)", filter);
        free(filter);
        filter = longer;
    }
    return filter;
}
