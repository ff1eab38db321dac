/* What a process has mapped executable, in a list that a process and its fork children share. */
#ifndef SAFECLOSE_MAPPINGS_H
#define SAFECLOSE_MAPPINGS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
    uint64_t start;
    uint64_t end;
    uint64_t offset; /* in the file */
    uint64_t device; /* major << 32 | minor; 0 with inode 0: no file */
    uint64_t inode;
    char *path; /* as the process names it; "" or "[vdso]" without a file */
};

struct mappings {
    unsigned references;
    unsigned count; /* sorted by address, at most 4096 */
    unsigned room;
    struct mapping *list;
};

/* An empty list with one reference; NULL without memory. */
struct mappings *mappings_new(void);

/* From /proc/PID/maps; NULL for a process that is gone, or has no memory of its own. */
struct mappings *mappings_read(pid_t pid);

/* A copy with one reference, in place of one reference to `of`. NULL without memory. */
struct mappings *mappings_own(struct mappings *of);

void mappings_release(struct mappings *mappings);

/* How much memory all lists have, without what they have room for. */
size_t mappings_bytes(void);

/* Adds one; what it overlaps was unmapped. */
void mappings_add(struct mappings *mappings, const struct mapping *mapping, const char *path);

/* The one that contains the address; NULL if there is none. */
const struct mapping *mappings_find(const struct mappings *mappings, uint64_t address);

#endif
