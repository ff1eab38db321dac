#include "stack/stack_names.h"
#include "stack/known_stacks.h"

#include <string.h>

#define PLACES 2048
#define WAYS 8

/* Changed by this file only. */
static struct known_stack table[PLACES * WAYS];
static unsigned long uses;

/* FNV-1a, by words. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * 0x100000001b3ULL;
}

/* Addresses without a file mean something in one process only. */
static uint64_t hash_of(const struct user_stack *stack, pid_t pid)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (unsigned i = 0; i < stack->count; i++) {
        const struct user_frame *f = &stack->frames[i];

        hash = mix(mix(hash, f->address), f->inode ? f->device ^ f->inode : (uint64_t)pid);
    }
    hash = mix(hash, stack->count);
    return hash ? hash : 1;
}

static struct known_stack *place_for(uint64_t hash)
{
    struct known_stack *first = &table[hash % PLACES * WAYS], *oldest = first;

    for (struct known_stack *s = first; s < first + WAYS; s++) {
        if (s->hash == hash)
            return s;
        if (s->used < oldest->used)
            oldest = s;
    }
    return oldest;
}

struct stack_ref known_stacks_take(const struct trace_event *event)
{
    struct user_stack stack;
    struct known_stack *known;
    uint64_t hash;

    user_stack_read(&stack, event);
    if (!stack.count)
        return (struct stack_ref){0, 0};
    hash = hash_of(&stack, event->pid);
    known = place_for(hash);
    if (known->hash != hash) {
        stack_names_free(known);
        *known = (struct known_stack){.hash = hash, .pid = event->pid, .stack = stack};
    }
    known->used = ++uses;
    return (struct stack_ref){(uint32_t)(known - table), hash};
}

struct known_stack *known_stacks_get(struct stack_ref ref)
{
    struct known_stack *known = &table[ref.place];

    return ref.hash && known->hash == ref.hash ? known : NULL;
}
