/*
 * The stacks that were seen, each once: thousands of closes come from a few places. A reference is good until its place is
 * taken by a newer stack; then it leads to none.
 *
 * Bounds: 16384 stacks; of 8 that share a place, the one not used for longest goes first.
 */
#ifndef SAFECLOSE_KNOWN_STACKS_H
#define SAFECLOSE_KNOWN_STACKS_H

#include "stack/user_stack.h"

#include <sys/types.h>

struct frame_name;

struct stack_ref {
    uint32_t place;
    uint64_t hash; /* 0: no stack */
};

struct known_stack {
    uint64_t hash;
    unsigned long used;
    pid_t pid;                /* of the process that was first seen with it */
    int64_t shown;            /* when it was last printed in full, ns; 0 never */
    struct frame_name *names; /* of its frames, once somebody has asked for them (stack_names.h) */
    struct user_stack stack;
};

/* Reads the stack of an event; no stack where it has none. */
struct stack_ref known_stacks_take(const struct trace_event *event);

/* NULL if it is no stack, or not kept any more. */
struct known_stack *known_stacks_get(struct stack_ref ref);

#endif
