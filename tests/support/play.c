#define _GNU_SOURCE
#include "play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void unable(const char *what)
{
    fprintf(stderr, "%s: unable to %s: %s\n", program_invocation_short_name, what, strerror(errno));
    _exit(99);
}

int must(long result, const char *what)
{
    if (result < 0)
        unable(what);
    return (int)result;
}

pthread_t start_thread(void *(*routine)(void *), void *arg)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, routine, arg);
    if (errno)
        unable("start a thread");
    return thread;
}

void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int listen_here(int port, int backlog)
{
    struct sockaddr_in address = net_loopback(port);
    int one = 1;
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket");

    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "use the port again");
    must(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(fd, backlog), "listen");
    return fd;
}

int connect_here(int port)
{
    struct sockaddr_in address = net_loopback(port);
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "make a socket");

    must(connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    return fd;
}

void go_behind_library(void)
{
    const char *library = getenv("LIBSAFECLOSE");

    if (library && *library)
        setenv("LD_PRELOAD", library, 1);
    unsetenv("LIBSAFECLOSE");
}
