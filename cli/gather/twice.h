/* The same reset in two logs: of the library, and of safeclose watch. */
#ifndef SAFECLOSE_GATHER_TWICE_H
#define SAFECLOSE_GATHER_TWICE_H

#include "log/event.h"

/* Whether the other of the two has told this reset already: the same ends, within two seconds. The one that is read
 * first counts. Remembers 65536 resets; a newer one takes the place of an older. */
bool gather_told_twice(const struct log_event *event);

#endif
