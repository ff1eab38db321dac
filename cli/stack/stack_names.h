/*
 * Names for the frames of a stack: function, source line, file.
 *
 * They come from the ELF file as symbols/symbols.h reads it; of a stripped Go program from .gopclntab; of code that was made
 * at run time from /tmp/perf-PID.map, if the program writes one.
 */
#ifndef SAFECLOSE_STACK_NAMES_H
#define SAFECLOSE_STACK_NAMES_H

#include "stack/known_stacks.h"

struct frame_name {
    char *function;  /* NULL: no name */
    uint64_t offset; /* in the function */
    char *source;    /* "server.c:42", or NULL */
    char *path;      /* of the file, as the process names it; NULL: code made at run time */
};

/* Never NULL: as many as the stack has frames. Kept with the stack. */
const struct frame_name *stack_names(struct known_stack *stack);

void stack_names_free(struct known_stack *stack);

/* The call by which the program left its own code: "close", "shutdown", ...; "" if it is no such call. */
const char *stack_via(struct known_stack *stack);

/* The frame of the code that made this call: 1 if libc's function is frame 0, else 0. */
unsigned stack_first(struct known_stack *stack);

/* The innermost frame that belongs to the program, not to libc or Go's runtime; 0 if none does. */
unsigned stack_closer(struct known_stack *stack);

/* "server", of a path. */
const char *stack_file(const struct frame_name *name);

#endif
