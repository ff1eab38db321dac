/* Adds events to a report. */
#ifndef SAFECLOSE_GATHER_H
#define SAFECLOSE_GATHER_H

#include "gather/report.h"

void gather_begin(struct report *report, const struct report_options *options);

/* A new file begins: it may be another host's. */
void gather_file(struct report *report);
void gather_event(struct report *report, const struct log_event *event);

/* After the last event. */
void gather_end(struct report *report);

#endif
