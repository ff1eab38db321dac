/* The command line of safeclose report. */
#ifndef SAFECLOSE_REPORT_OPTIONS_H
#define SAFECLOSE_REPORT_OPTIONS_H

#include "gather/report.h"

enum options_result { OPTIONS_GOOD, OPTIONS_BAD, OPTIONS_HELP };

/* Fills in the options; the logs follow in argv from optind on. OPTIONS_BAD: it has said why. */
enum options_result report_options_read(struct report_options *options, int argc, char **argv);

#endif
