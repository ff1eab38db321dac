/* What keeps a mode from working in a process that has the library, and which modes that leaves. */
#ifndef SAFECLOSE_MODES_H
#define SAFECLOSE_MODES_H

#include "shim/settings/config.h"
#include "check/findings.h"
#include "process/process.h"

/* In ascending order of trouble. Nothing limits log and warn, which need no thread and touch nothing. */
enum works { WORKS, IN_PART, ONLY_DRAINS, LEAVES_ALONE, UNSAFE };

struct loaded {
    pid_t pid;
    const char *status;          /* /proc/PID/status */
    const struct config *config; /* NULL: unknown */
    struct process_threads threads;
    enum works drain;
    enum works linger;
};

/* The library can't start its thread. why is a whole sentence. */
void modes_no_thread(struct findings *f, struct loaded *p, const char *why);

/* All that /proc tells. */
void modes_judge(struct findings *f, struct loaded *p);

/* It drains or lingers, or may do so: the mode is unknown. */
bool modes_remedy(const struct loaded *p);

/* A line about all modes; and what it means for the mode that the process has. */
void modes_say(struct findings *f, const struct loaded *p);

#endif
