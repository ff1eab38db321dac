/*
 * When the library must stop asking: the program has installed a seccomp filter, which may kill it
 * for a system call it does not expect, or a thread has a table of descriptors of its own, so that
 * ours is wrong.
 */
#ifndef SAFECLOSE_GIVEUP_H
#define SAFECLOSE_GIVEUP_H

#include <stdbool.h>

enum giveup { GIVEUP_SECCOMP, GIVEUP_UNSHARED };

/* From now on every hook passes through. Said once, with the summary, in a process that used TCP:
 * later is too late to write anything. Call it before the system call that makes it
 * necessary. False where it was so already, or nobody was watching. */
bool giveup_for_good(enum giveup reason);

/* Whether a call that installs this seccomp filter, or the strict mode, can succeed: programs ask
 * with NULL and the like whether the kernel has filters at all. filter is the program's memory, and
 * read as the kernel would. */
bool giveup_by_filter(bool strict, unsigned long flags, const void *filter);

/* That call failed after giveup_for_good returned true: all is as before. */
void giveup_undo(void);

#endif
