/*
 * The calling thread's signal mask, while something of ours must not be interrupted by a handler.
 */
#ifndef SAFECLOSE_SIGNALS_H
#define SAFECLOSE_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* Blocks every signal, those that libc keeps for itself too. False where the kernel refuses: then
 * nothing is changed, and the caller must do without what it had in mind. */
bool signals_block(uint64_t *before);

/* The mask as it was before. */
void signals_restore(uint64_t before);

#endif
