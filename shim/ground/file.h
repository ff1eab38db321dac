/*
 * Which file a number or a name stands for.
 */
#ifndef SAFECLOSE_FILE_H
#define SAFECLOSE_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* Which file a number stood for when it was looked at. */
struct identity {
    uint64_t dev;
    uint64_t ino;
    uint32_t mode; /* st_mode; 0 if nothing was there */
    int64_t born; /* ns: a file that was deleted may leave its inode number to another; 0 unknown */
};

/* What fd stands for now; mode 0 where it is not open. One call. */
struct identity file_identity(int fd);

/* The same of a name, as fstatat(2) takes it. */
struct identity file_identity_at(int dir, const char *path, int flags);

bool file_same(const struct identity *a, const struct identity *b);

#endif
