/*
 * Names of the frames of a log's stacks, as far as the files on this machine are the ones that ran. What isn't known for
 * certain stays an offset, and why is told at the end (frames_trouble).
 */
#ifndef SAFECLOSE_FRAMES_H
#define SAFECLOSE_FRAMES_H

#include "gather/report.h"

struct frame_name {
    const char *function; /* "" if it is unknown */
    const char *inlined;  /* the function that was inlined there, or "" */
    const char *file;     /* "" if it is unknown */
    uint64_t offset;      /* of the return address in the function */
    unsigned line;
};

/* Good until the program ends. */
const struct frame_name *frames_name(const struct report *report, const struct frame *frame);

/* The frame of a group that tells the reader most: the innermost one outside of libc, if possible one with a line. NULL
 * where there is no stack. */
const struct frame *frames_guilty(const struct report *report, const struct group *group);

/* Calls `tell` for each module that gave no names, or may give wrong ones: its path and why. */
void frames_trouble(void (*tell)(void *to, const char *path, const char *why), void *to);

/* False if names were looked for, and addr2line isn't there for lines. */
bool frames_have_lines(void);

void frames_end(void);

#endif
