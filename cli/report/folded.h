/* What a frame is called in a flame graph. */
#ifndef SAFECLOSE_FOLDED_H
#define SAFECLOSE_FOLDED_H

#include "gather/report.h"

#define FOLDED_NAME 512

/* The function, or file and offset. As it is: escape it. */
void folded_name(const struct report *report, const struct frame *frame, char *to, size_t cap);

#endif
