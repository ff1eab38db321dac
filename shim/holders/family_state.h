/* The family's memory as it lies there, for family*.c. What it means: holders/family.h. */
#ifndef SAFECLOSE_FAMILY_STATE_H
#define SAFECLOSE_FAMILY_STATE_H

#include "holders/family.h"

#include <linux/futex.h>

#define PLACES 1024 /* a power of two: a place is its index, and above it how often it was given */
#define DEAD 0x80000000u /* in a place */
#define TAKEN UINT32_MAX /* a place: being written; of the last index, which is not used */
#define EXECUTED FUTEX_OWNER_DIED
#define SERIAL_BITS 48
#define SERIAL_MASK ((1ULL << SERIAL_BITS) - 1)

/* What is known of a process. Never changed in place: a new one is written beside it, and then is the current one. */
struct record {
    _Atomic uint64_t words[RELATIVE_WORDS];
    _Atomic uint64_t seal; /* make_seal */
};

struct member {
    _Atomic uint32_t place;   /* 0: free; the record's; with DEAD: its process is; or TAKEN */
    _Atomic uint32_t current; /* record, modulo 2 */
    struct record records[2];
    _Atomic uint32_t executing; /* a robust futex: the thread that executes, then EXECUTED */
    _Atomic uint64_t ending;    /* ending_seal; anything else: it is not */
};

struct family {
    _Atomic uint64_t clock;
    _Atomic uint32_t forks;
    _Atomic uint32_t hand;      /* where a place is looked for first */
    _Atomic uint64_t top;       /* the highest index that was ever used, and its seal */
    _Atomic uint64_t untrusted; /* what has a serial up to this one */
    _Atomic int linger2;
    _Atomic uint32_t ringer;       /* the place of the process that gave a ring requests; SEVERAL */
    struct member members[PLACES]; /* the first is never used */
};

extern struct family *family;  /* NULL: it could not be mapped; constructor */
extern uint64_t family_secret; /* constructor */
extern uint32_t family_own;    /* this process's place; constructor, a fork child's first hook */
extern uint32_t family_parent; /* the place of the process that forked this one; likewise */
extern uint64_t
    family_pid_ns; /* the inode of this process's pid namespace, 0 if unknown; likewise */

static inline struct member *member_of(uint32_t place)
{
    return &family->members[place % PLACES];
}

/* *last becomes this serial, unless somebody who drew a later one was faster. */
void family_raise(_Atomic uint64_t *last, uint64_t serial);

/* What is known of the process at this index. Unsound if an attacker has written it; or if it was written twice during
 * each of the reads. */
struct relative family_view(uint32_t index);

/* Claims the index for writing. False if its place is not this one any more, or another process writes. */
bool family_begin_writing(uint32_t index, uint32_t place);

/* Writes what is known of the process at relative->index, which the caller has claimed. */
void family_write(struct relative *relative);

/* Before the family's first fork: seals all free places. */
void family_seal_all(void);

/* The highest index in use, a new one, and how it lies in the memory. */
uint32_t family_top(void);
void family_raise_top(uint32_t index);
uint64_t family_seal_top(uint32_t index);

/* Writes all that is known of a child before it is born, to an index that the caller has claimed. Returns the place. */
uint32_t family_fill(uint32_t index, uint32_t place, uint64_t end);

/* A place for a child; 0 if all are taken. */
uint32_t family_reserve(void);

#endif
