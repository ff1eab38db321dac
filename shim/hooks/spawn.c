/* How programs are started: they keep every descriptor that is not close-on-exec. These hooks only
 * watch. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

#include <alloca.h>

EXPORT int system(const char *command)
{
    bool watched = spawn_begin(NULL);

    return (int)spawn_end(watched, real_system(command));
}

EXPORT FILE *popen(const char *command, const char *type)
{
    bool watched = spawn_begin(NULL);
    FILE *stream = real_popen(command, type);

    spawn_end(watched, 0);
    return stream;
}

EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int target)
{
    int ret = real_posix_spawn_file_actions_adddup2(actions, fd, target);

    if (ret == 0)
        spawn_prepared(fd);
    return ret;
}

static int spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[],
                 enum real_spawn name)
{
    bool watched = spawn_begin(actions);
    real_spawn *call = real_find_spawn(name);
    int ret = call ? call(pid, path, actions, attributes, argv, envp) : ENOSYS;

    spawn_end(watched, 0);
    return ret;
}

EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
                       const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                       char *const envp[restrict])
{
    return spawn(pid, path, actions, attributes, argv, envp, REAL_POSIX_SPAWN);
}

EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
                        const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                        char *const envp[restrict])
{
    return spawn(pid, file, actions, attributes, argv, envp, REAL_POSIX_SPAWNP);
}

EXPORT int pidfd_spawn(int *restrict pidfd, const char *restrict path,
                       const posix_spawn_file_actions_t *restrict actions,
                       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                       char *const envp[restrict])
{
    return spawn(pidfd, path, actions, attributes, argv, envp, REAL_PIDFD_SPAWN);
}

EXPORT int pidfd_spawnp(int *restrict pidfd, const char *restrict file,
                        const posix_spawn_file_actions_t *restrict actions,
                        const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                        char *const envp[restrict])
{
    return spawn(pidfd, file, actions, attributes, argv, envp, REAL_PIDFD_SPAWNP);
}

/* Its command substitution starts a shell. */
EXPORT int wordexp(const char *restrict words, wordexp_t *restrict expansion, int flags)
{
    bool watched = spawn_begin(NULL);

    return (int)spawn_end(watched, real_wordexp(words, expansion, flags));
}

static int execute(const char *path, char *const argv[], char *const envp[],
                   int (*call)(const char *path, char *const argv[], char *const envp[]))
{
    struct exec exec = exec_begin();

    return (int)exec_failed(exec, call(path, argv, envp));
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    return execute(path, argv, envp, real_execve);
}

EXPORT int execv(const char *path, char *const argv[])
{
    return execute(path, argv, environ, real_execve);
}

static int exec_file(const char *file, char *const argv[])
{
    struct exec exec = exec_begin();

    return (int)exec_failed(exec, real_execvp(file, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return exec_file(file, argv);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return execute(file, argv, envp, real_execvpe);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    struct exec exec = exec_begin();

    return (int)exec_failed(exec, real_fexecve(fd, argv, envp));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    struct exec exec = exec_begin();

    return (int)exec_failed(exec, real_execveat(dir, path, argv, envp, flags));
}

/* The list forms: how many arguments there are up to the NULL, and then the same again into an
 * array on the stack, as libc does it. */
static size_t count_arguments(va_list *args)
{
    size_t n = 1;

    while (va_arg(*args, char *))
        n++;
    return n;
}

enum list { EXECL, EXECLP, EXECLE };

static int exec_list(enum list list, const char *path, const char *first, va_list *args)
{
    va_list counted;
    char **argv;

    va_copy(counted, *args);
    argv = alloca((count_arguments(&counted) + 1) * sizeof(*argv));
    va_end(counted);
    argv[0] = (char *)first;
    for (size_t i = 0; argv[i]; i++)
        argv[i + 1] = va_arg(*args, char *);
    if (list == EXECLP)
        return exec_file(path, argv);
    return execute(path, argv, list == EXECLE ? va_arg(*args, char **) : environ, real_execve);
}

EXPORT int execl(const char *path, const char *first, ...)
{
    va_list args;
    int ret;

    va_start(args, first);
    ret = exec_list(EXECL, path, first, &args);
    va_end(args);
    return ret;
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    va_list args;
    int ret;

    va_start(args, first);
    ret = exec_list(EXECLP, file, first, &args);
    va_end(args);
    return ret;
}

EXPORT int execle(const char *path, const char *first, ...)
{
    va_list args;
    int ret;

    va_start(args, first);
    ret = exec_list(EXECLE, path, first, &args);
    va_end(args);
    return ret;
}

/* glibc has these names too. */
ALIAS(popen) FILE *_IO_popen(const char *command, const char *type);
