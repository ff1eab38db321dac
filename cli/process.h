/* What /proc tells of a running process. */
#ifndef SAFECLOSE_PROCESS_H
#define SAFECLOSE_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The whole of /proc/PID/name and a zero byte, to be freed, its length in *len; NULL with errno. */
char *process_file(pid_t pid, const char *name, size_t *len);

/* Opens /proc/PID/name for reading; -1 with errno. */
int process_open(pid_t pid, const char *name);

/* Where /proc/PID/name points to; false with errno. */
bool process_link(pid_t pid, const char *name, char *target, size_t size);

/* The number behind "Name:" in a text of /proc/PID/status, base 10; -1 where there is none. */
long process_number(const char *status, const char *name);

/* An entry of the auxiliary vector that the kernel gave it, such as AT_SECURE. */
bool process_auxiliary(pid_t pid, uint64_t type, uint64_t *value);

/* The name that execve was called with; false where it can't be read any more. */
bool process_executed_as(pid_t pid, char name[PATH_MAX]);

/* A file of this name is mapped, its path in path: 1 yes, 0 no, -1 with errno: can't be told. */
int process_maps(pid_t pid, const char *name, char path[PATH_MAX]);

/* A descriptor whose link is target: 1 yes, 0 no, -1 with errno. */
int process_holds(pid_t pid, const char *target);

#endif
