/*
 * System calls of i386; included by ground/sys.h. Linux 4.3 is the oldest that has a number for each socket call.
 *
 * Some calls have been replaced since i386 began, by others with wider ids, offsets and structures. libc calls the
 * newer ones, and so do we, under the names that 64-bit machines know; struct stat and the like are those of
 * _FILE_OFFSET_BITS=64, with which the library is compiled but for its hooks (Makefile). Times have 32 bits, as
 * glibc's struct timespec: they end in 2038.
 */
#ifndef SAFECLOSE_ARCH_I386_H
#define SAFECLOSE_ARCH_I386_H

#ifndef __GLIBC__
#error "safeclose for i386 is for glibc only: musl has 64-bit times there"
#endif

/* The sixth argument goes in the frame pointer, which no operand may name. */
static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
    long ret;

    __asm__ volatile("pushl %[sixth]\n\t"
                     "pushl %%ebp\n\t"
                     "movl 4(%%esp), %%ebp\n\t"
                     "int $0x80\n\t"
                     "popl %%ebp\n\t"
                     "addl $4, %%esp"
                     : "=a"(ret)
                     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [sixth] "g"(f)
                     : "memory", "cc");
    return ret;
}

/* The numbers that these names had at first, for programs that use them. */
#define ARCH_OLD_FCNTL __NR_fcntl
#define ARCH_OLD_RIGHTS                                                                            \
    __NR_setuid:                                                                                   \
    case __NR_setgid:                                                                              \
    case __NR_setreuid:                                                                            \
    case __NR_setregid:                                                                            \
    case __NR_setresuid:                                                                           \
    case __NR_setresgid:                                                                           \
    case __NR_setgroups

#undef SYS_fcntl
#define SYS_fcntl SYS_fcntl64
#undef SYS_fstat
#define SYS_fstat SYS_fstat64
#undef SYS_fstatfs
#define SYS_newfstatat SYS_fstatat64
#undef SYS_getgroups
#define SYS_getgroups SYS_getgroups32
#undef SYS_geteuid
#define SYS_geteuid SYS_geteuid32
#undef SYS_getresgid
#define SYS_getresgid SYS_getresgid32
#undef SYS_getresuid
#define SYS_getresuid SYS_getresuid32
#undef SYS_mmap
#define SYS_mmap SYS_mmap2
#undef SYS_setgid
#define SYS_setgid SYS_setgid32
#undef SYS_setgroups
#define SYS_setgroups SYS_setgroups32
#undef SYS_setregid
#define SYS_setregid SYS_setregid32
#undef SYS_setresgid
#define SYS_setresgid SYS_setresgid32
#undef SYS_setresuid
#define SYS_setresuid SYS_setresuid32
#undef SYS_setreuid
#define SYS_setreuid SYS_setreuid32
#undef SYS_setuid
#define SYS_setuid SYS_setuid32

#endif
