/* What /proc tells of a running process. */
#ifndef SAFECLOSE_PROCESS_H
#define SAFECLOSE_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_threads {
    unsigned own;   /* the program's threads */
    pid_t lot;      /* the library's thread, or 0 */
    bool own_table; /* one of the program's threads has its own descriptor table */
};

/* The whole of /proc/PID/name (of what is longer, the first 64 MB) and a zero byte, to be freed, its length in *len;
 * NULL with errno. */
char *process_file(pid_t pid, const char *name, size_t *len);

/* Opens /proc/PID/name for reading; -1 with errno. */
int process_open(pid_t pid, const char *name);

/* Where /proc/PID/name points to; false with errno. */
bool process_link(pid_t pid, const char *name, char *target, size_t size);

/* The user that owns /proc/PID/name: root if the process isn't dumpable. False with errno. */
bool process_owner(pid_t pid, const char *name, uid_t *owner);

/* Whether /proc/PID/name is the same link as our own, as that of a namespace. */
bool process_shares(pid_t pid, const char *name);

/* Whether it has this effective capability, in our user namespace. */
bool process_capable(pid_t pid, const char *status, unsigned capability);

/* The text after "Name:" and its blanks in a text of /proc/PID/status; NULL if there is none. */
const char *process_value(const char *status, const char *name);

/* The same as a number, base 10; -1 if there is none. */
long process_number(const char *status, const char *name);

/* False with errno. */
bool process_threads(pid_t pid, struct process_threads *threads);

/* Calls look for each process that /proc shows. False with errno. */
bool process_each(void (*look)(pid_t pid, void *context), void *context);

/* An entry of the auxiliary vector that the kernel gave it, such as AT_SECURE. */
bool process_auxiliary(pid_t pid, uint64_t type, uint64_t *value);

/* The name that execve was called with; false where it can't be read any more. */
bool process_executed_as(pid_t pid, char name[PATH_MAX]);

/* A file whose name begins so is mapped, its path in path, the first address in *start unless NULL: 1 yes,
 * 0 no, -1 with errno: unknown. */
int process_maps(pid_t pid, const char *name, char path[PATH_MAX], uint64_t *start);

/* Exactly size bytes of its memory, or false. */
bool process_memory(pid_t pid, uint64_t at, void *to, size_t size);

/* Whether it has a descriptor that this accepts: 1 yes, 0 no, -1 with errno. path is the link in
 * /proc/PID/fd, target what it says. */
int process_holds(pid_t pid, bool (*accepts)(const char *path, const char *target, void *context),
                  void *context);

#endif
