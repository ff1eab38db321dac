/*
 * Signals that must not come: the calling thread's mask, while something of ours must not be interrupted by a
 * handler, and SIGPIPE.
 */
#ifndef SAFECLOSE_SIGNALS_H
#define SAFECLOSE_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* Blocks every signal, those that libc keeps for itself too. False if the kernel refuses: then
 * nothing is changed, and the caller must do without what it had in mind. */
bool signals_block(uint64_t *before);

/* The mask as it was before. */
void signals_restore(uint64_t before);

/* From now on SIGPIPE does not end the process, where it would have. */
void signals_ignore_pipe(void);

#endif
