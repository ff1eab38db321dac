/*
 * Where libcs differ: a row for each thing that musl lacks, or declares in another way than glibc. What a libc may
 * lack at run time, in an old version too, real.c looks up and does without; _dl_find_object is such a function, and
 * stacks read /proc/self/maps then.
 */
#ifndef SAFECLOSE_LIBC_H
#define SAFECLOSE_LIBC_H

#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#ifdef __GLIBC__

/* A handler for exit(3) that runs when all others and the destructors have run: libc_at_exit(handler),
 * LIBC_AT_EXIT static void handler(LIBC_EXIT_PARAMETERS). glibc runs destructors from a handler of its own, which
 * comes first, and what atexit registers when it unloads the library. musl runs all handlers first, and a preloaded
 * library's destructor last. */
#define LIBC_AT_EXIT
#define LIBC_EXIT_PARAMETERS                                                                       \
    int status __attribute__((unused)), void *argument __attribute__((unused))
#define libc_at_exit(handler) on_exit(handler, NULL)

/* Types of parameters. */
typedef int libc_message_flags;
typedef unsigned long libc_ioctl_request;
typedef __rlimit_resource_t libc_setrlimit_resource;
typedef enum __rlimit_resource libc_prlimit_resource;

/* Its programs may have names of their own for what handles times (hooks/time64.c). */
#ifndef __LP64__
#define LIBC_TIME64
#endif

/* A symbol that only the other libc has, if its programs can load this build. musl's loader refuses the build for
 * glibc. The build for musl names no libc, so that a glibc child of a musl program still starts. There we find this
 * symbol, and do nothing. */
#undef LIBC_OF_OTHERS

/* Whether the program's only thread is calling, as libc knows it without a symbol to look up. */
#define LIBC_ALONE false

/* Whether freopen with this path keeps the descriptor. Without a path glibc opens /proc/self/fd/N anew, and closes the
 * old file. musl changes the file's flags. */
#define LIBC_REOPEN_KEEPS(path) false

#else

#define LIBC_AT_EXIT __attribute__((destructor))
#define LIBC_EXIT_PARAMETERS void
#define libc_at_exit(handler) ((void)0)

typedef unsigned libc_message_flags;
typedef int libc_ioctl_request;
typedef int libc_setrlimit_resource;
typedef int libc_prlimit_resource;

#define LIBC_OF_OTHERS "gnu_get_libc_version"
#define LIBC_REOPEN_KEEPS(path) (!(path))
#pragma weak at_quick_exit
#pragma weak pthread_atfork

/* musl exports no such thing, but the list of its threads goes through their descriptors: the second and third words
 * after the pointer to itself are the neighbours. They stand between the table of thread-local storage and the words
 * that compilers use (the stack protector's is fixed by the ABI), and have been there since musl 1.1.22; before, they
 * were 0. An element of a ring that is both its neighbours is alone. Where the descriptor ends before the thread
 * pointer, as on arm64, it can't be found. */
#if defined(__x86_64__) || defined(__i386__)
static inline bool libc_alone(void)
{
    uintptr_t itself;
    uintptr_t before;
    uintptr_t after;

#ifdef __x86_64__
    __asm__ volatile("mov %%fs:0, %0\n\tmov %%fs:16, %1\n\tmov %%fs:24, %2"
                     : "=&r"(itself), "=&r"(before), "=r"(after));
#else
    __asm__ volatile("mov %%gs:0, %0\n\tmov %%gs:8, %1\n\tmov %%gs:12, %2"
                     : "=&r"(itself), "=&r"(before), "=r"(after));
#endif
    return before == itself && after == itself;
}
#define LIBC_ALONE libc_alone()
#else
#define LIBC_ALONE false
#endif

/* Macros, where hooks need a function; programs built with other versions call these. */
#undef freopen64
#undef prlimit64
#undef setrlimit64
FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict stream);
int prlimit64(pid_t pid, libc_prlimit_resource resource, const struct rlimit *limit,
              struct rlimit *old);
int setrlimit64(libc_setrlimit_resource resource, const struct rlimit *limit);

int fcntl64(int fd, int command, ...);
#ifndef STATX_BASIC_STATS
#include <linux/stat.h>
#endif

#endif

/* Declared by newer versions only (glibc 2.34, 2.39), or never. */
pid_t _Fork(void);
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int low);
int pidfd_spawn(int *restrict pidfd, const char *restrict path,
                const posix_spawn_file_actions_t *restrict actions,
                const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                char *const envp[restrict]);
int pidfd_spawnp(int *restrict pidfd, const char *restrict file,
                 const posix_spawn_file_actions_t *restrict actions,
                 const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                 char *const envp[restrict]);
int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);

#endif
