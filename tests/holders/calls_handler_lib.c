/* A library that calls a handler of SIGUSR1, where there is one, just before it closes or executes. Behind the library
 * under test in LD_PRELOAD it does so when that has done its part, and the number is still open. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void interrupt(void)
{
    struct sigaction now;

    if (sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
        raise(SIGUSR1);
}

__attribute__((visibility("default"))) int close(int fd)
{
    interrupt();
    return (int)syscall(SYS_close, fd);
}

__attribute__((visibility("default"))) int execve(const char *path, char *const argv[],
                                                  char *const envp[])
{
    int (*next)(const char *, char *const[], char *const[]) = dlsym(RTLD_NEXT, "execve");

    interrupt();
    return next(path, argv, envp); /* syscall would be the library's, and begin another exec */
}
