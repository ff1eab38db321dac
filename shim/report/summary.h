/* What a family did, in one event: written when its last process that used TCP ends, and each SAFECLOSE_SUMMARY. */
#ifndef SAFECLOSE_SUMMARY_H
#define SAFECLOSE_SUMMARY_H

#include "report/event.h"

/* Counts a close with its outcome, or what was reset later. */
void summary_count(const struct event *event);
void summary_count_later(void);

/* A close that surely did nothing but end the connection. */
void summary_count_clean(void);

/* The process ends: writes the summary if no other process of the family that used TCP is left. Once. */
void summary_write(void);

/* Before the library falls silent, with the reason. */
void summary_write_early(const char *reason);

/* At a close: writes the summary so far if it is time. No call otherwise. */
void summary_so_far(void);

#endif
