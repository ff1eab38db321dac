/*
 * The first TCP use of a process: from then on it has a log, may ask the kernel what became of a connection, and counts
 * as a member of its family. The first use of a family writes what the settings got wrong, and the mode.
 */
#ifndef SAFECLOSE_FIRST_USE_H
#define SAFECLOSE_FIRST_USE_H

/* Called at every use; does something at the first one, and again at the first in a mode that tells. */
void first_use(void);

/* The same of a call that gives the program a number anyway: then the socket that asks the kernel may take one, too. */
void first_use_opening(void);

#endif
