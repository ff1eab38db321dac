/* Sentences that the page of text and the HTML page have in common. */
#ifndef SAFECLOSE_REPORT_SAY_H
#define SAFECLOSE_REPORT_SAY_H

#include "gather/report.h"

/* What happened, in one or two sentences. Good until the next call. */
const char *say_headline(const struct report *report);

/* Whether the summaries of the logs count all closes of them. */
bool say_knows_closes(const struct report *report);

/* How much was lost by these resets; "" if nothing was at stake. Good until the next call. */
const char *say_loss(const struct totals *totals);

/* What came of the closes: "31 reset (2 not confirmed by the kernel), 4 mended". Good until the next call. */
const char *say_outcomes(const struct totals *totals);

/* The values of a group and how often each was met: "10.0.0.7 (200), 10.0.0.9 (180), 4 more". "" if there are none.
 * most: so many are named. words: what to call a value, NULL: by itself. Good until the next call. */
const char *say_tally(const struct report *report, const struct group *group, enum tally_kind kind,
                      size_t most, const char *(*words)(const char *value));

/* What a group is called: the program of a call site; else the peer, port, process, ... Not plain. */
const char *say_label(const struct report *report, const struct group *group);

/* What could not be judged, was not logged, or not understood: calls tell for each, a sentence. */
void say_unknowns(const struct report *report, void (*tell)(void *to, const char *sentence),
                  void *to);

/* "handle_client, server.c:42": where the reader has to look. Good until the next call. */
const char *say_where(const struct report *report, const struct group *group, size_t columns);

/* "median 1,024 bytes, largest 300 kB"; "" if all are 0. Good until the next call. */
const char *say_sample(struct sample *sample, const char *(*words)(uint64_t value));

#endif
