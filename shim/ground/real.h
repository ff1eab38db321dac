/*
 * The functions that our hooks stand in front of, as the program would have got them.
 *
 * Looked up once, by the constructor. Until then those on malloc's own start-up path (close, dup,
 * fcntl) and the other plain system calls are made directly; the rest are looked up when first
 * called, which only another library's constructor can do.
 */
#ifndef SAFECLOSE_REAL_H
#define SAFECLOSE_REAL_H

#include <link.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <termios.h>
#include <time.h>
#include <wordexp.h>

/* Finds them all. For the constructor. */
void real_resolve(void);

/* False in a program of another libc than this library is built for. For the constructor. */
#ifdef LIBC_OF_OTHERS
bool real_is_ours(void);
#else
#define real_is_ours() true
#endif

/* The time of this clock in ns. After real_find_clock (for the constructor) this asks the vDSO, if there is
 * one, and makes no system call; another preloaded library's clock_gettime may be anything. errno
 * kept. */
void real_find_clock(void);
int64_t real_clock_ns(int clock);

#define REAL_SPAWN_PARAMETERS                                                                      \
    (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,         \
     char *const[], char *const[])

/* Each as its manual page says, errno included; first those that real.def makes. */
#define REAL(type, name, parameters)
#define REAL_CALL(type, name, parameters, arguments, call) type real_##name parameters;
#define REAL_PASS(type, name, parameters, arguments) type real_##name parameters;
#define REAL_VARIABLE(type, name)
#include "ground/real.def"
#undef REAL
#undef REAL_CALL
#undef REAL_PASS
#undef REAL_VARIABLE
int real_dup2(int fd, int target);
int real_fcntl(int fd, int command, void *argument);
int real_fcntl64(int fd, int command, void *argument);
int real_ioctl(int fd, unsigned long request, void *argument);
void real_closefrom(int low);
_Noreturn void real__exit(int status);
_Noreturn void real__Exit(int status);
long real_syscall(const long number_and_arguments[7]);
int real_prctl(int option, const unsigned long arguments[4]);
int real_clone(int (*function)(void *), void *stack, int flags, void *argument,
               void *const rest[3]);
FILE *real_freopen64(const char *path, const char *mode, FILE *stream);
int real_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
pid_t real__Fork(void);

/* Those with 64 in their name are the same where longs have 64 bits. */
int real_setrlimit(int resource, const void *limit);
int real_prlimit(pid_t pid, int resource, const void *limit, void *old);

/* The function of this name; NULL if libc lacks it. A program that looks for it finds our hook all the same. */
enum real_spawn { REAL_POSIX_SPAWN, REAL_POSIX_SPAWNP, REAL_PIDFD_SPAWN, REAL_PIDFD_SPAWNP };
typedef int real_spawn REAL_SPAWN_PARAMETERS;
real_spawn *real_find_spawn(enum real_spawn name);

/* The address of vfork, which must be jumped to and not called (hooks/fork.c). */
void *real_vfork(void);

/* What the loader knows of the object that an address is in, as libc lays it out (dlfcn.h, since
 * glibc 2.35). */
struct real_object {
    unsigned long long flags;
    void *start;
    void *end;
    struct link_map *map;
    const uint8_t *eh_frame_hdr;
    unsigned long long reserved[8];
};

/* False if the address is in none. Takes no lock; may be called from anywhere. */
bool real_find_object(uintptr_t address, struct real_object *object);

/* Whether libc has it. */
bool real_can_find_object(void);

/* True if the process has one thread, as far as libc can tell; false where it can't. */
bool real_single_threaded(void);

/* The program makes a thread that libc does not know of. For good. */
void real_note_thread(void);

#endif
