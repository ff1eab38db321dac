/* A library that calls a handler of SIGUSR1, where there is one, just before it closes or executes. Behind the library
 * under test in LD_PRELOAD it does so when that has done its part, and the number is still open. A handler of SIGUSR2
 * is called when a number was put into an epoll set, and that library does not know yet how the call ended. It also has
 * the names that libc may lack. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static void interrupt(int signal)
{
    struct sigaction now;

    if (sigaction(signal, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
        raise(signal);
}

__attribute__((visibility("default"))) int close(int fd)
{
    interrupt(SIGUSR1);
    return (int)syscall(SYS_close, fd);
}

__attribute__((visibility("default"))) int execve(const char *path, char *const argv[],
                                                  char *const envp[])
{
    int (*next)(const char *, char *const[], char *const[]) = dlsym(RTLD_NEXT, "execve");

    interrupt(SIGUSR1);
    return next(path, argv, envp); /* syscall would be the library's, and begin another exec */
}

__attribute__((visibility("default"))) int epoll_ctl(int epoll, int operation, int fd,
                                                     struct epoll_event *event)
{
    int (*next)(int, int, int, struct epoll_event *) = dlsym(RTLD_NEXT, "epoll_ctl");
    int result = next(epoll, operation, fd, event);

    if (operation == EPOLL_CTL_ADD)
        interrupt(SIGUSR2);
    return result;
}

typedef int spawn_call(int *pidfd, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

static spawn_call *next_of(const char *name, const char *instead)
{
    spawn_call *next = (spawn_call *)dlsym(RTLD_NEXT, name);

    return next ? next : (spawn_call *)dlsym(RTLD_NEXT, instead);
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int pidfd_spawn(int *restrict pidfd, const char *restrict path,
                       const posix_spawn_file_actions_t *restrict actions,
                       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                       char *const envp[restrict]);
EXPORT int pidfd_spawnp(int *restrict pidfd, const char *restrict file,
                        const posix_spawn_file_actions_t *restrict actions,
                        const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                        char *const envp[restrict]);

int pidfd_spawn(int *restrict pidfd, const char *restrict path,
                const posix_spawn_file_actions_t *restrict actions,
                const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                char *const envp[restrict])
{
    return next_of("pidfd_spawn", "posix_spawn")(pidfd, path, actions, attributes, argv, envp);
}

int pidfd_spawnp(int *restrict pidfd, const char *restrict file,
                 const posix_spawn_file_actions_t *restrict actions,
                 const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                 char *const envp[restrict])
{
    return next_of("pidfd_spawnp", "posix_spawnp")(pidfd, file, actions, attributes, argv, envp);
}
