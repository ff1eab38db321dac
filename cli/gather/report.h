/*
 * safeclose report: what the parts of it share. Events are read one by one (log_input.c), added up (gather.c), and
 * then written in one of the forms (report/text.c, report/page.c, ...). Nothing of an event is kept but sums, so memory does
 * not grow with the log: 64 MB at most. Naming functions takes up to 32 MB more (symbols/symbols.h), for a moment twice
 * as much.
 */
#ifndef SAFECLOSE_REPORT_H
#define SAFECLOSE_REPORT_H

#include "gather/groups.h"
#include "log/event.h"
#include "shim/settings/config.h"
#include "gather/timeline.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define EXECUTABLES_MOST 256

/* BY_PROGRAM, and cause: for Prometheus. */
enum report_by { BY_SITE, BY_CAUSE, BY_PORT, BY_PEER, BY_PROCESS, BY_HOST, BY_PROGRAM, BY_COUNT };
enum report_form { FORM_TEXT, FORM_JSON, FORM_FOLDED, FORM_HTML, FORM_PROMETHEUS };

struct report_options {
    enum report_by by;
    enum report_form form;
    const char *html;     /* the file's name */
    bool weigh_lost;      /* folded stacks: bytes instead of resets */
    unsigned top;         /* 0: all */
    unsigned width;       /* columns; 0: no limit */
    int64_t since, until; /* microseconds since 1970; 0: no limit */
    uint64_t pid;         /* 0: any */
    const char *program;  /* NULL: any */
    const char *causes;   /* a list, NULL: any */
    struct port_range ports[CONFIG_PORT_RANGES];
    unsigned port_ranges; /* 0: any */
    int error_exitcode;   /* -1: none */
    const char *error_causes;
};

/* A program that a `start` event named. */
struct executable_seen {
    uint32_t path;     /* strings */
    uint32_t build_id; /* of the last start */
};

/* What summaries of families add up to. */
struct summaries {
    uint64_t count;
    uint64_t closes, resets, unknown, peer_may_send, at_risk, forgotten, too_early, suppressed,
        lost;
    uint64_t later;  /* of the resets, those after their close */
    uint64_t listed; /* closes with a cause that --error-exitcode asks for */
};

/* What safeclose watch says at its end, and resets that came in. */
struct watches {
    uint64_t received;
    uint64_t sampled, unwritten; /* watches that counted one for several, or did not write all */
    uint64_t lost;               /* events of the kernel */
};

struct input_counts {
    uint64_t files, bytes, lines, events;
    uint64_t foreign;  /* lines that are no events */
    uint64_t text_log; /* of them, lines of a log in text */
    uint64_t torn;     /* files whose last line has no end */
    uint64_t newer;    /* events of a kind that this version doesn't know */
};

struct report {
    const struct report_options *options;
    struct groups groups;           /* by options->by */
    struct groups peers, processes; /* for the page */
    struct totals totals;
    struct timeline timeline;
    uint32_t timeline_causes[TIMELINE_ROWS]; /* strings; the last row is for all other causes */
    unsigned timeline_rows;
    uint64_t errors; /* closes that --error-exitcode asks for */
    struct executable_seen executables[EXECUTABLES_MOST];
    unsigned executable_count;
    uint64_t builds;     /* changes whenever an executable has another build-id than before */
    uint32_t host;       /* of the last event in this file that names it */
    uint32_t first_host; /* of an event before it, of any file */
    bool several_hosts;
    struct summaries summaries;
    struct summaries told; /* what the library's events add up to: resets, later and listed */
    struct watches watches;
    struct input_counts input;
    int64_t first, last; /* of all events */
};

#endif
