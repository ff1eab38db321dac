/* A stack on the page of text. */
#ifndef SAFECLOSE_TEXT_STACK_H
#define SAFECLOSE_TEXT_STACK_H

#include "report/layout.h"
#include "gather/report.h"

/* A line for each frame with a name, and for each run of frames without. At most eight lines, unless the layout has no
 * limit; without what starts a program. */
void text_stack(const struct report *report, const struct layout *layout,
                const struct group *group);

#endif
