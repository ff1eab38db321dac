/*
 * Can the library be preloaded into this program? Follows scripts to the executable in the end, and
 * reads that one itself: nothing is started.
 */
#ifndef SAFECLOSE_EXECUTABLE_H
#define SAFECLOSE_EXECUTABLE_H

#include "check/findings.h"
#include "preload/library.h"

#include <sys/stat.h>

struct executable {
    bool running;        /* said before: it is a process already */
    char asan[NAME_MAX]; /* AddressSanitizer's runtime, which must come before the library; or "" */
};

/* The program that execvp would start for this file. Of several builds of the library, library becomes the one that
 * fits it. */
void executable_judge(struct findings *f, struct library *library, const char *file,
                      struct executable *executable);

/* An open ELF file alone: whether the library fits it. */
void executable_judge_elf(struct findings *f, struct library *library, int fd,
                          struct executable *executable);

/* setuid, setgid and file capabilities: the loader ignores LD_PRELOAD where they raise the
 * privileges of whoever asks. */
void executable_judge_privileges(struct findings *f, int fd);

#endif
