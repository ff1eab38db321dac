/*
 * Every different stack of a log, with its resets: what a flame graph is made of. Bounded as groups are: when there
 * are too many, the rarer half is put away.
 */
#ifndef SAFECLOSE_STACKS_H
#define SAFECLOSE_STACKS_H

#include "gather/groups.h"
#include "log/json.h"
#include "gather/report.h"

#define STACKS_MOST 32768
/* The page keeps groups of peers and processes, too, and shows no rare stacks. */
#define STACKS_MOST_HTML 16384

struct stack {
    uint64_t key;  /* of program, cause and the stack's text */
    uint64_t site; /* the key of its call site's group */
    uint32_t comm, cause, via;
    uint32_t depth;
    struct frame *frames; /* innermost first */
    uint64_t resets, closes;
    uint64_t lost; /* bytes that resets may have thrown away */
};

/* The stack with this text, of the builds that the report knows now, read and interned when it is new. Good until the next call. */
struct stack *stacks_get(const struct report *report, uint32_t comm, uint32_t cause, uint32_t via,
                         const struct json_value *text);

/* The stack with this key, or NULL. */
struct stack *stacks_find(uint64_t key);

/* All of them, the most frequent first; how many there are; and resets of those that were put away. */
struct stack *const *stacks_sorted(size_t *count);
uint64_t stacks_put_away(void);

#endif
