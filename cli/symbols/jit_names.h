/*
 * Names of code that was made at run time: from /tmp/perf-PID.map, which Java, Node and others write if asked to.
 *
 * Bounds: the maps of 8 processes are kept, and the one not used for longest goes first; of each process 64 MB are
 * read, and 524288 pieces of code are known.
 */
#ifndef SAFECLOSE_JIT_NAMES_H
#define SAFECLOSE_JIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The code of the process that contains the address, and how far into it. */
bool jit_name(pid_t pid, uint64_t address, char *name, size_t cap, uint64_t *offset);

#endif
