/* What the library can do in a process that has it. */
#ifndef SAFECLOSE_LOADED_H
#define SAFECLOSE_LOADED_H

#include "findings.h"

#include <sys/types.h>

/* path: of the library, as the process has it; status: /proc/PID/status. */
void loaded_judge(struct findings *f, pid_t pid, const char *path, const char *status);

#endif
