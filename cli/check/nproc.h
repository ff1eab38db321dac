/* Whether RLIMIT_NPROC lets the library start its thread in a process. */
#ifndef SAFECLOSE_NPROC_H
#define SAFECLOSE_NPROC_H

#include "check/modes.h"

void nproc_judge(struct findings *f, struct loaded *p);

#endif
