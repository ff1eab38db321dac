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

/* Takes over fd. If we hold a number already, it becomes the new file in one step, so a thread that is about to write
 * never finds it closed. Otherwise fd is moved to a high number, or closed if there is no room. */
void own_fd_keep(struct own_fd *own, int fd);

/* Our descriptor is this number, and stays there; -1 if that is not open. */
void own_fd_is(struct own_fd *own, int number);

/* What it should stand for. */
struct identity own_fd_file(const struct own_fd *own);

/* The number; -1 if it stands for something else by now. */
int own_fd_check(const struct own_fd *own);

#endif
