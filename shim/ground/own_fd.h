/*
 * A descriptor of ours among the program's. It stands on a high number, out of the way of what the
 * program opens, and the program may close it, or dup2 over it, at any time without knowing.
 */
#ifndef SAFECLOSE_OWN_FD_H
#define SAFECLOSE_OWN_FD_H

#include "ground/nowait.h"

#include <stdatomic.h>
#include <stdbool.h>

struct own_fd {
    _Atomic int number;   /* -1: none; written by own_fd_keep */
    _Atomic uint64_t dev; /* what it stands for; likewise */
    _Atomic uint64_t ino;
    _Atomic uint32_t mode;
    _Atomic int64_t born;
};

#define OWN_FD_NONE                                                                                \
    {                                                                                              \
        .number = -1                                                                               \
    }

/* Takes over fd. A number that we hold already stays and becomes the new file in one step, so that
 * a thread about to write to it never meets a number that was closed; else fd is moved up, or closed
 * where there is no room. */
void own_fd_keep(struct own_fd *own, int fd);

/* It stands on this number, where it stays; -1 where that is not open. */
void own_fd_is(struct own_fd *own, int number);

/* What it should stand for. */
struct identity own_fd_file(const struct own_fd *own);

/* The number, or -1 where it stands for something else by now. */
int own_fd_check(const struct own_fd *own);

#endif
