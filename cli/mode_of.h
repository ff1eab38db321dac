/* In which mode the library is, in a process that has it. */
#ifndef SAFECLOSE_MODE_OF_H
#define SAFECLOSE_MODE_OF_H

#include "findings.h"

#include <sys/types.h>

void mode_of_process(struct findings *f, pid_t pid);

#endif
