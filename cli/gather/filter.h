/* Which events the options of report ask for. */
#ifndef SAFECLOSE_FILTER_H
#define SAFECLOSE_FILTER_H

#include "gather/report.h"

bool filter_passes(const struct report_options *options, const struct log_event *event);

/* Whether any event can be left out by port, process, program or cause. */
bool filter_leaves_out(const struct report_options *options);

/* Whether a list ("unread-data,late-data") has the word. */
bool filter_lists(const char *list, const struct json_value *word);

#endif
