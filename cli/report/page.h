/* The parts of the HTML page. */
#ifndef SAFECLOSE_PAGE_H
#define SAFECLOSE_PAGE_H

#include "gather/report.h"

/* Resets over time, by cause: an SVG chart. */
void page_chart(const struct report *report, FILE *to);

/* Which of the page's colours a cause has: 0 to TIMELINE_ROWS - 1. */
unsigned page_colour(const struct report *report, uint32_t cause);

/* The stacks of all resets, as a flame graph. */
void page_flames(const struct report *report, FILE *to);

/* The call sites, or what --by asks for: a table, and each of them with what to do. */
void page_overview(const struct report *report, FILE *to);
void page_sites(struct report *report, FILE *to);

/* A table of such groups: peers, processes. */
void page_table(const struct report *report, const struct groups *groups, const char *title,
                const char *column, FILE *to);

#endif
