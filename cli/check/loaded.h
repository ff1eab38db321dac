/* What the library can do in a process that has it. */
#ifndef SAFECLOSE_LOADED_H
#define SAFECLOSE_LOADED_H

#include "check/mode_of.h"

#include <sys/types.h>

/* status: /proc/PID/status. */
void loaded_judge(struct findings *f, pid_t pid, const struct library_place *place,
                  const char *status);

#endif
