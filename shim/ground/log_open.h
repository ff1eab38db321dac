/*
 * Opens the log file without letting another user choose which file that is.
 *
 * The library may run as root, and the log's directory may belong to somebody else, or be open to
 * everybody. Who may write there can put a symbolic link or a hard link at the log's name, and have
 * us create a file, or append to one, that is not theirs. So the path is walked here, one component
 * at a time, each opened before it is judged, so that nobody can exchange it in between:
 *
 *   - A directory is entered, whoever owns it: where it stands is the choice of its parent's owner.
 *   - A symbolic link is followed only if nobody but root or we could have made it there.
 *   - The file at the end must belong to root or to us, and have no second name.
 *
 * "We" is the effective user. The rules are the same with and without privileges.
 */
#ifndef SAFECLOSE_LOG_OPEN_H
#define SAFECLOSE_LOG_OPEN_H

#include "ground/format.h"

#include <limits.h>

/* The memory that a walk needs: a link's target in front of what is left of the path. */
#define LOG_OPEN_ROOM (2 * PATH_MAX)

/* Opens the file for appending, without waiting, and creates it with mode 0600. The path is
 * absolute and shorter than PATH_MAX; room is LOG_OPEN_ROOM bytes. Returns the descriptor; or -1,
 * and the reason is appended to why: "Permission denied". Leaves no other descriptor open. */
int log_open(const char *path, char *room, struct text *why);

/* The same walk, by the same rules, to a file that is only read, which must be a regular one that nobody
 * but its owner can write to (root's group may). Returns the descriptor, or -ENOENT; or another negative
 * number, and the reason is appended to why. */
long log_open_read(const char *path, char *room, struct text *why);

#endif
