/*
 * One frame up at a time, by the call frame information of .eh_frame (DWARF 5, section 6.4; Linux
 * Standard Base, "Exception Frames").
 */
#ifndef SAFECLOSE_STACK_UNWIND_H
#define SAFECLOSE_STACK_UNWIND_H

#include "report/stack.h"
#include "report/stack_cfi.h"

struct unwind {
    uintptr_t pc;         /* of the frame: a return address, but where it was interrupted */
    bool interrupted;     /* by a signal, or it is where unwind_begin was called */
    struct module module; /* the last that was needed */
    uintptr_t page;       /* the last byte of the last page that was found to be readable */
    uintptr_t registers[CFI_REGISTERS]; /* as they were there; what a callee may change need not be
                                           true */
};

/* Starts at the caller of this function. False if it can't be found: the module of this code must have unwind
 * tables. */
bool unwind_begin(struct unwind *u) __attribute__((noinline));

/* A word of the stack; false where it can't be read. The library reads its own memory (stack_memory.c), the
 * command what a trace has copied of a process's stack. */
bool unwind_load(struct unwind *u, uintptr_t address, uintptr_t *value);

/* To the caller of that; false at the end of the stack, or where the tables end. */
bool unwind_up(struct unwind *u);

#endif
