/* The report as a page of text. */
#ifndef SAFECLOSE_REPORT_TEXT_H
#define SAFECLOSE_REPORT_TEXT_H

#include "gather/report.h"

void report_text(const struct report *report, FILE *to);

#endif
