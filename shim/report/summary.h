/* What a family did, in one event: when its last process that used TCP ends, and now and then before. */
#ifndef SAFECLOSE_SUMMARY_H
#define SAFECLOSE_SUMMARY_H

#include "report/event.h"

/* Counts a close with its outcome, or what was reset later. */
void summary_count(const struct event *event);
void summary_count_later(void);

/* A close that surely did nothing but end the connection. */
void summary_count_clean(void);

/* Where the process ends: writes it if nobody else of the family is left who used TCP. Once. */
void summary_write(void);

/* Before the library falls silent, with the reason. */
void summary_write_early(const char *reason);

/* At a close: writes it so far, if it is time to. No call otherwise. */
void summary_so_far(void);

#endif
