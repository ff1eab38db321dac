/*
 * System calls as the kernel answers them: the result, or -errno. errno is never touched, no symbol
 * is looked up, no other preloaded library is in between, and a thread can't be cancelled here.
 * Callable from anywhere that a function can run at all.
 */
#ifndef SAFECLOSE_SYS_H
#define SAFECLOSE_SYS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ground/newer.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#include "ground/arch/x86_64.h"
#elif defined(__aarch64__)
#include "ground/arch/aarch64.h"
#elif defined(__i386__)
#include "ground/arch/i386.h"
#else
#error                                                                                             \
    "safeclose has system calls for x86-64, i386 and arm64 only; add this machine's to shim/ground/arch/"
#endif

#define SYS_ARG(x) ((long)(x))

static inline long sys1(long nr, long a)
{
    return sys6(nr, a, 0, 0, 0, 0, 0);
}

static inline long sys2(long nr, long a, long b)
{
    return sys6(nr, a, b, 0, 0, 0, 0);
}

static inline long sys3(long nr, long a, long b, long c)
{
    return sys6(nr, a, b, c, 0, 0, 0);
}

static inline long sys4(long nr, long a, long b, long c, long d)
{
    return sys6(nr, a, b, c, d, 0, 0);
}

/* The value of an int option, or -errno. */
static inline long sys_getsockopt_int(int fd, int level, int name)
{
    int value = 0;
    unsigned len = sizeof(value);
    long err = sys6(SYS_getsockopt, fd, level, name, SYS_ARG(&value), SYS_ARG(&len), 0);
    return err < 0 ? err : value;
}

/* 0 and *len set to what the kernel filled in, or -errno. */
static inline long sys_getsockopt(int fd, int level, int name, void *value, unsigned *len)
{
    return sys6(SYS_getsockopt, fd, level, name, SYS_ARG(value), SYS_ARG(len), 0);
}

/* The int that this ioctl stores, or -errno. (Part of each caller, so that each call has a place of its own in
 * tests/hostile/faults.table.) */
static inline __attribute__((always_inline)) long sys_ioctl_int(int fd, unsigned long request)
{
    int value = 0;
    long err = sys3(SYS_ioctl, fd, (long)request, SYS_ARG(&value));
    return err < 0 ? err : value;
}

/* Whether 8 bytes can be read there. Asks rt_sigprocmask with an invalid "how": the kernel first copies the
 * set (EFAULT if it can't), then refuses "how" (EINVAL). No filter that lets programs run refuses this
 * call. */
static inline bool sys_readable(const void *bytes)
{
    return sys4(SYS_rt_sigprocmask, -1, SYS_ARG(bytes), 0, sizeof(uint64_t)) == -EINVAL;
}

/* From now on no close of this socket waits for its peer (SO_LINGER, socket(7)). */
static inline void sys_linger_off(int fd)
{
    struct linger off = {0, 0};

    sys6(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, SYS_ARG(&off), sizeof(off), 0);
}

/* Zeroed memory of this process's own; NULL if there is none. */
static inline void *sys_map(size_t size)
{
    long at = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at < 0 && at > -4096 ? NULL : (void *)at;
}

/* The same, but that fork children share it. */
static inline void *sys_map_shared(size_t size)
{
    long at = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at < 0 && at > -4096 ? NULL : (void *)at;
}

static inline int sys_getppid(void)
{
    return (int)sys1(SYS_getppid, 0);
}

static inline int sys_getpid(void)
{
    return (int)sys1(SYS_getpid, 0);
}

static inline int sys_gettid(void)
{
    return (int)sys1(SYS_gettid, 0);
}

#endif
