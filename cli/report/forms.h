/* The forms of a report that machines and browsers read. */
#ifndef SAFECLOSE_REPORT_FORMS_H
#define SAFECLOSE_REPORT_FORMS_H

#include "gather/report.h"

/* One object (safeclose(1), JSON). */
void report_json(struct report *report, FILE *to);

/* A line for each stack, outermost first: "server;main;handle_client 31". Of --weight lost, bytes. */
void report_folded(const struct report *report, FILE *to);

/* Counters by program and cause, in the text format of Prometheus. */
void report_prometheus(const struct report *report, FILE *to);

/* A page for a browser, in the file that the options name ("-": standard output). False, and says so, where it
 * can't be written. A file that is there and is no report is left alone. */
bool report_html_file(struct report *report);

#endif
