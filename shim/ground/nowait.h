/*
 * Writing without waiting, whatever the descriptor is.
 */
#ifndef SAFECLOSE_NOWAIT_H
#define SAFECLOSE_NOWAIT_H

#include "ground/file.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * One line to fd, which is known to be a file of this identity. False if it would wait or fails.
 * After a line that went out in part (a disk that filled up), *torn makes the next one begin on a
 * line of its own. The caller has blocked SIGPIPE, SIGXFSZ and SIGTTOU.
 */
bool nowait_write(int fd, const struct identity *file, const char *bytes, size_t len,
                  _Atomic bool *torn);

#endif
