/* A library that calls a handler of SIGUSR1, where there is one, just before it closes. Behind the library
 * under test in LD_PRELOAD it does so when that has done its part, and the number is still open. */
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int close(int fd)
{
    struct sigaction now;

    if (sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler != SIG_DFL)
        raise(SIGUSR1);
    return (int)syscall(SYS_close, fd);
}
