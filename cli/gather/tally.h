/*
 * How often each value of something was met in a group: its peers, processes, doors. One table for all groups,
 * bounded: when it is full, the entries of groups that were put away make room; what still doesn't fit is counted as
 * untold.
 */
#ifndef SAFECLOSE_TALLY_H
#define SAFECLOSE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_MOST 200000

enum tally_kind {
    TALLY_VIA,
    TALLY_PEER,
    TALLY_PORT,
    TALLY_PROCESS,
    TALLY_HOST,
    TALLY_CONTENT,
    TALLY_NOTE,
    TALLY_ENDED,
    TALLY_CAUSE,
    TALLY_KINDS
};

struct tally_entry {
    uint64_t group; /* its key */
    uint32_t string;
    uint32_t kind;
    uint64_t count;
};

/* Who knows whether there is still a group with this key. */
void tally_begin(bool (*exists)(uint64_t group));
void tally_add(uint64_t group, enum tally_kind kind, uint32_t string, uint64_t times);

/* How many additions found no room. */
uint64_t tally_untold(void);

/* After the last addition: the entries of a group, the most frequent first, and how many there are. */
const struct tally_entry *tally_of(uint64_t group, enum tally_kind kind, size_t *count);

#endif
