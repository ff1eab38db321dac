/* How programs are started: they keep every descriptor that is not close-on-exec. These hooks only
 * watch. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../forking.h"
#include "../linger.h"
#include "../real.h"
#include "../share.h"

#include <alloca.h>

EXPORT int system(const char *command)
{
    bool watched = spawning_begin();
    int ret = real_system(command);

    spawning_end(watched);
    return ret;
}

EXPORT FILE *popen(const char *command, const char *type)
{
    bool watched = spawning_begin();
    FILE *stream = real_popen(command, type);

    spawning_end(watched);
    return stream;
}

/* The numbers that some list of file actions copies: what stands there when it is used is kept by
 * the program started, close-on-exec or not. Never taken back; one for the numbers beyond. */
#define PREPARED 1024
static _Atomic uint8_t prepared[PREPARED + 1];

EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int target)
{
    int ret = real_posix_spawn_file_actions_adddup2(actions, fd, target);

    if (ret == 0 && fd >= 0)
        prepared[fd < PREPARED ? fd : PREPARED] = 1;
    return ret;
}

static bool spawning_with(const posix_spawn_file_actions_t *actions)
{
    if (actions && boundary_watches()) {
        for (int fd = 0; fd < PREPARED; fd++)
            if (prepared[fd])
                share_lose(fd);
        if (prepared[PREPARED])
            share_lose_all();
    }
    return spawning_begin();
}

EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
                       const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                       char *const envp[restrict])
{
    bool watched = spawning_with(actions);
    int ret = real_posix_spawn(pid, path, actions, attributes, argv, envp);

    spawning_end(watched);
    return ret;
}

EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
                        const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                        char *const envp[restrict])
{
    bool watched = spawning_with(actions);
    int ret = real_posix_spawnp(pid, file, actions, attributes, argv, envp);

    spawning_end(watched);
    return ret;
}

/* Its command substitution starts a shell. */
EXPORT int wordexp(const char *restrict words, wordexp_t *restrict expansion, int flags)
{
    bool watched = spawning_begin();
    int ret = real_wordexp(words, expansion, flags);

    spawning_end(watched);
    return ret;
}

/* The lot ends with everything else of this program; it is ended in order. */
static bool exec_begin(void)
{
    execing();
    return linger_stop();
}

static int exec_failed(bool stopped, int ret)
{
    linger_resume(stopped);
    return ret;
}

static int exec_path(const char *path, char *const argv[], char *const envp[])
{
    bool stopped = exec_begin();

    return exec_failed(stopped, real_execve(path, argv, envp));
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    return exec_path(path, argv, envp);
}

EXPORT int execv(const char *path, char *const argv[])
{
    return exec_path(path, argv, environ);
}

static int exec_file(const char *file, char *const argv[])
{
    bool stopped = exec_begin();

    return exec_failed(stopped, real_execvp(file, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return exec_file(file, argv);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    bool stopped = exec_begin();

    return exec_failed(stopped, real_execvpe(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    bool stopped = exec_begin();

    return exec_failed(stopped, real_fexecve(fd, argv, envp));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    bool stopped = exec_begin();

    return exec_failed(stopped, real_execveat(dir, path, argv, envp, flags));
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

#define COLLECT(argv, first, args)                                                                 \
    do {                                                                                           \
        va_list counted;                                                                           \
        va_copy(counted, args);                                                                    \
        argv = alloca((count_arguments(&counted) + 1) * sizeof(*argv));                            \
        va_end(counted);                                                                           \
        argv[0] = (char *)first;                                                                   \
        for (size_t i = 0; argv[i]; i++)                                                           \
            argv[i + 1] = va_arg(args, char *);                                                    \
    } while (0)

EXPORT int execl(const char *path, const char *first, ...)
{
    va_list args;
    char **argv;

    va_start(args, first);
    COLLECT(argv, first, args);
    va_end(args);
    return exec_path(path, argv, environ);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    va_list args;
    char **argv;

    va_start(args, first);
    COLLECT(argv, first, args);
    va_end(args);
    return exec_file(file, argv);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    va_list args;
    char **argv;
    char **envp;

    va_start(args, first);
    COLLECT(argv, first, args);
    envp = va_arg(args, char **);
    va_end(args);
    return exec_path(path, argv, envp);
}

/* glibc has these names too. */
ALIAS(popen) FILE *_IO_popen(const char *command, const char *type);
