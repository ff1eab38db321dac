/*
 * Reads logs line by line. A file is read to the end that it has when we come there: it may be growing. A line that is
 * no event is counted and passed over: logs are torn by full disks, and mixed with what programs print. What stands
 * before the object in a line (a syslog's date and name, as journalctl shows it) is passed over, too.
 */
#ifndef SAFECLOSE_LOG_INPUT_H
#define SAFECLOSE_LOG_INPUT_H

#include "gather/report.h"

/* Adds the events of these files ("-" is standard input) to the report. False, and says so, where one could not be
 * read; the others are read all the same. */
bool log_input_read(struct report *report, char *const *names, unsigned count);

#endif
