#include "safeclose.h"

#include "ground/clock.h"
#include "ground/loaded.h"
#include "ground/real.h"
#include "ground/real_late.h"
#include "ground/sys.h"

/* Written by real_resolve. Where libc lacks one its pointer stays NULL, and no program calls it. */
static struct {
#define REAL(type, name, parameters) type(*name) parameters;
#define REAL_CALL(type, name, parameters, ...) REAL(type, name, parameters)
#define REAL_PASS(type, name, parameters, arguments) REAL(type, name, parameters)
#define REAL_VARIABLE(type, name) type name;
#include "ground/real.def"
#undef REAL
#undef REAL_CALL
#undef REAL_PASS
#undef REAL_VARIABLE
} libc;

/* Their names in the same order, one after the other: a table of pointers would take 24 bytes more
 * of relocation for each. */
static const char names[] = {
#define REAL(type, name, parameters) #name "\0"
#define REAL_CALL(type, name, parameters, ...) REAL(type, name, parameters)
#define REAL_PASS(type, name, parameters, arguments) REAL(type, name, parameters)
#define REAL_VARIABLE(type, name) #name "\0"
#include "ground/real.def"
#undef REAL
#undef REAL_CALL
#undef REAL_PASS
#undef REAL_VARIABLE
};

static _Atomic bool resolved;

void real_resolve(void)
{
    void *found[sizeof(libc) / sizeof(void *)] = {NULL};

    _Static_assert(sizeof(found) <= LOADED_MOST * sizeof(void *), "LOADED_MOST is too small");
    loaded_find(LOADED_NEXT, names, found);
    /* libc comes before a library that a program opens by dlopen(3). Others have some of the names, but not this. */
    if (!found[offsetof(__typeof__(libc), fopencookie) / sizeof(void *)])
        loaded_find(LOADED_ANY, names, found);
    memcpy(&libc, found, sizeof(libc));
    real_resolve_late();
    resolved = true;
}

/* For functions that no single system call can replace: looked up now if the constructor has not run yet; later libc
 * has no more of them, and a fork child may not look. */
#define LOOKED_UP(pointer) (pointer || resolved ? pointer : (real_resolve(), pointer))

#ifdef LIBC_OF_OTHERS
bool real_is_ours(void)
{
    void *found = NULL;

    loaded_find(LOADED_ANY, LIBC_OF_OTHERS "\0", &found);
    return !found;
}
#endif

/* What the kernel maps into each process; its functions are no system calls, and return -errno. */
#ifdef __aarch64__
#define KERNELS_CLOCK "__kernel_clock_gettime"
#else
#define KERNELS_CLOCK "__vdso_clock_gettime"
#endif
static int (*kernels_clock)(clockid_t clock, struct timespec *now); /* constructor */

void real_find_clock(void)
{
    void *found = NULL;

    _Static_assert(sizeof(struct timespec) == 2 * sizeof(long), "the kernel's has longs here");
    loaded_find(LOADED_ANY, KERNELS_CLOCK "\0", &found);
    memcpy(&kernels_clock, &found, sizeof(found));
}

int64_t real_clock_ns(int clock)
{
    struct timespec now = {0, 0};

    if (!kernels_clock || kernels_clock(clock, &now) != 0)
        return clock_ns(clock);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* The only place where -errno becomes errno. */
static long result(long ret)
{
    if (ret >= 0)
        return ret;
    errno = (int)-ret;
    return -1;
}

int real_dup2(int fd, int target)
{
    if (libc.dup2)
        return libc.dup2(fd, target);
    if (fd == target) /* which dup3 refuses */
        return sys2(SYS_fcntl, fd, F_GETFD) < 0 ? (int)result(-EBADF) : fd;
    return (int)result(sys3(SYS_dup3, fd, target, 0));
}

int real_fcntl(int fd, int command, void *argument)
{
    if (libc.fcntl)
        return libc.fcntl(fd, command, argument);
    return (int)result(sys3(SYS_fcntl, fd, command, SYS_ARG(argument)));
}

#ifndef __LP64__
int real_fcntl64(int fd, int command, void *argument)
{
    return libc.fcntl64 ? libc.fcntl64(fd, command, argument) : real_fcntl(fd, command, argument);
}
#endif

int real_ioctl(int fd, unsigned long request, void *argument)
{
    if (libc.ioctl)
        return libc.ioctl(fd, request, argument);
    return (int)result(sys3(SYS_ioctl, fd, (long)request, SYS_ARG(argument)));
}

void real__exit(int status)
{
    if (libc._exit)
        libc._exit(status);
    for (;;)
        sys1(SYS_exit_group, status);
}

void real__Exit(int status)
{
    if (libc._Exit)
        libc._Exit(status);
    real__exit(status);
}

long real_syscall(const long a[7])
{
    if (libc.syscall)
        return libc.syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
    return result(sys6(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
}

int real_prctl(int option, const unsigned long a[4])
{
    if (libc.prctl)
        return libc.prctl(option, a[0], a[1], a[2], a[3]);
    return (int)result(sys6(SYS_prctl, option, (long)a[0], (long)a[1], (long)a[2], (long)a[3], 0));
}

#define REAL(type, name, parameters)
#define REAL_CALL(type, name, parameters, arguments, call)                                         \
    type real_##name parameters                                                                    \
    {                                                                                              \
        return libc.name ? libc.name arguments : (type)result(call);                               \
    }
#define REAL_PASS(type, name, parameters, arguments)                                               \
    type real_##name parameters                                                                    \
    {                                                                                              \
        return LOOKED_UP(libc.name) arguments;                                                     \
    }
#define REAL_VARIABLE(type, name)
#include "ground/real.def"
#undef REAL
#undef REAL_CALL
#undef REAL_PASS
#undef REAL_VARIABLE

/* Before glibc 2.34 there is none, but a program that looks for it now finds our hook. */
void real_closefrom(int low)
{
    if (LOOKED_UP(libc.closefrom))
        libc.closefrom(low);
    else
        sys3(SYS_close_range, low < 0 ? 0 : low, (long)UINT_MAX, 0);
}

int real_clone(int (*function)(void *), void *stack, int flags, void *argument, void *const rest[3])
{
    return LOOKED_UP(libc.clone)(function, stack, flags, argument, rest[0], rest[1], rest[2]);
}

/* musl has had no such name since 1.2.4. */
FILE *real_freopen64(const char *path, const char *mode, FILE *stream)
{
    if (LOOKED_UP(libc.freopen64))
        return libc.freopen64(path, mode, stream);
    return real_freopen(path, mode, stream);
}

/* A new name in glibc 2.34, an old system call. */
int real_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    if (LOOKED_UP(libc.execveat))
        return libc.execveat(dir, path, argv, envp, flags);
    return (int)result(
        sys6(SYS_execveat, dir, SYS_ARG(path), SYS_ARG(argv), SYS_ARG(envp), flags, 0));
}

pid_t real__Fork(void)
{
    /* Before glibc 2.34 there is none, but a program that looks for it now finds our hook. */
    return LOOKED_UP(libc._Fork) ? libc._Fork() : real_fork();
}

void *real_vfork(void)
{
    return (void *)LOOKED_UP(libc.vfork);
}

real_spawn *real_find_spawn(enum real_spawn name)
{
    const size_t first = offsetof(__typeof__(libc), posix_spawn) / sizeof(void *);

    return LOOKED_UP(libc.posix_spawn) ? ((real_spawn **)&libc)[first + name] : NULL;
}

int real_setrlimit(int resource, const void *limit)
{
#ifndef __LP64__ /* the kernel's structure is wider than libc's */
    return LOOKED_UP(libc.setrlimit)(resource, limit);
#endif
    if (libc.setrlimit)
        return libc.setrlimit(resource, limit);
    return (int)result(sys4(SYS_prlimit64, 0, resource, SYS_ARG(limit), 0));
}

int real_prlimit(pid_t pid, int resource, const void *limit, void *old)
{
#ifndef __LP64__
    return LOOKED_UP(libc.prlimit)(pid, resource, limit, old);
#endif
    if (libc.prlimit)
        return libc.prlimit(pid, resource, limit, old);
    return (int)result(sys4(SYS_prlimit64, pid, resource, SYS_ARG(limit), SYS_ARG(old)));
}

bool real_single_threaded(void)
{
    if (libc.__libc_single_threaded)
        return *libc.__libc_single_threaded;
    return LIBC_ALONE;
}

void real_note_thread(void)
{
    libc.__libc_single_threaded = ""; /* which begins with false */
}

bool real_can_find_object(void)
{
    return libc._dl_find_object;
}

bool real_find_object(uintptr_t address, struct real_object *object)
{
    return libc._dl_find_object && libc._dl_find_object((void *)address, object) == 0;
}
