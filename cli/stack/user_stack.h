/*
 * The functions that a program was in, from what a trace has copied: its registers and the top of its
 * stack.
 *
 * With the tables that every compiler but Go's writes (.eh_frame), by the library's own unwinder; where
 * there are none (Go, code made at run time), by frame pointers. What lies above the copied bytes isn't
 * reached: then `cut` is set.
 */
#ifndef SAFECLOSE_USER_STACK_H
#define SAFECLOSE_USER_STACK_H

#include "trace/trace.h"

#include <stdbool.h>
#include <stdint.h>

#define USER_STACK_MOST 24

struct user_frame {
    uint64_t device; /* of the file; 0 with inode 0: none, and the address is that in memory */
    uint64_t inode;
    uint64_t address; /* as nm counts; a return address but in the first */
};

struct user_stack {
    unsigned count; /* innermost first; 0: the process is ending, or nothing is known of it */
    bool cut;
    struct user_frame frames[USER_STACK_MOST];
};

void user_stack_read(struct user_stack *stack, const struct trace_event *event);

#endif
