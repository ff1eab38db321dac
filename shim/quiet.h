/*
 * Writing without waiting, whatever the descriptor is.
 */
#ifndef SAFECLOSE_QUIET_H
#define SAFECLOSE_QUIET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which file a number stood for when it was looked at. */
struct identity {
    uint64_t dev;
    uint64_t ino;
    uint32_t mode; /* st_mode; 0 where nothing was there */
    int64_t born; /* ns: a file that was deleted may leave its inode number to another; 0 unknown */
};

/* What fd stands for now; mode 0 where it is not open. One call. */
struct identity quiet_identity(int fd);

/* The same of a name, as fstatat(2) takes it. */
struct identity quiet_identity_at(int dir, const char *path, int flags);

bool quiet_same(const struct identity *a, const struct identity *b);

/*
 * One line to fd, which is known to be a file of this identity. False where it would wait or fails.
 * After a line that went out in part (a disk that filled up), *torn makes the next one begin on a
 * line of its own. The caller has blocked SIGPIPE, SIGXFSZ and SIGTTOU.
 */
bool quiet_write(int fd, const struct identity *file, const char *bytes, size_t len,
                 _Atomic bool *torn);

#endif
