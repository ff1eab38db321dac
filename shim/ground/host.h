/* What this machine, or container, calls itself. */
#ifndef SAFECLOSE_HOST_H
#define SAFECLOSE_HOST_H

#include "ground/format.h"

/* Appends the host's name. It is fit for a path and for JSON: a slash, quote, backslash, blank, control character or
 * byte that is not ASCII is "_". */
void host_name(struct text *t);

#endif
