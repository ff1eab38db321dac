/* What `start` and `summary` events say. */
#ifndef SAFECLOSE_GATHER_SUMMARY_H
#define SAFECLOSE_GATHER_SUMMARY_H

#include "gather/report.h"

/* The host of an event; of one that doesn't name it (an older library's), that of the last start in the file. */
uint32_t gather_host(struct report *report, const struct log_event *event);

void gather_start(struct report *report, const struct log_event *event);
void gather_summary(struct report *report, const struct log_event *event);

/* An event of a close in the library's log, whatever the options choose: what a summary counts, too. */
void gather_told(struct report *report, const struct log_event *event);

/* Whether what the logs lack may be a reset that --error-exitcode asks for. */
bool gather_may_lack_errors(const struct report *report);

/* After the last event: families that have written only summaries so far count with the last of them. */
void gather_summaries_end(struct report *report);

#endif
