/* The settings of the library in a process that has it. */
#ifndef SAFECLOSE_MODE_OF_H
#define SAFECLOSE_MODE_OF_H

#include "shim/settings/config.h"
#include "check/findings.h"

#include <stdint.h>
#include <sys/types.h>

struct library_place {
    const char *ours;   /* the library of this command */
    const char *theirs; /* the path of the one that the process has */
    uint64_t start;     /* its first address there */
};

/* Adds the mode to the findings. NULL if the settings are unknown, or the library is off whatever
 * they say. */
const struct config *mode_of_process(struct findings *f, pid_t pid,
                                     const struct library_place *place);

#endif
