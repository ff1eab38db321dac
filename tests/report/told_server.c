/*
 * told_server PORT CLASS ANSWER [spawn]: a server with a thread for each connection reads the first part of a
 * request, answers with ANSWER bytes and closes. Before it begins it does what its CLASS says: "plain" nothing,
 * "setuid" becomes nobody, "chroot" changes to a root without /proc.
 *
 * With "spawn" another thread starts a program every 3 ms, until SIGUSR1: then it says "calm" when the last one
 * has ended.
 */
#define _GNU_SOURCE
#include "play.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PART = 4000, BACKLOG = 100, SPAWN_NS = 3000000 };

static char *answer;
static size_t answer_size;
static volatile sig_atomic_t calm;

static void be_calm(int number)
{
    (void)number;
    calm = 1;
}

static void *spawn_on_and_on(void *unused)
{
    char *const argv[] = {"true", NULL};
    char *const none[] = {NULL};
    const struct timespec pause = {0, SPAWN_NS};

    while (!calm) {
        pid_t pid;

        errno = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, none);
        if (errno)
            err(2, "start a program");
        must(waitpid(pid, NULL, 0), "wait");
        nanosleep(&pause, NULL);
    }
    puts("calm");
    fflush(stdout);
    return unused;
}

static void *serve_one(void *arg)
{
    char request[PART];
    int fd = (int)(long)arg;
    size_t sent = 0;
    ssize_t n = recv(fd, request, sizeof request, 0);

    for (; n > 0 && sent < answer_size; sent += (size_t)n)
        n = send(fd, answer + sent, answer_size - sent, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char head[] = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n";
    const struct sigaction on_calm = {.sa_handler = be_calm, .sa_flags = SA_RESTART};
    int listener;

    if (argc < 4)
        errx(2, "usage: told_server PORT CLASS ANSWER [spawn]");
    answer_size = (size_t)atol(argv[3]) + sizeof head - 1;
    answer = calloc(1, answer_size);
    if (!answer)
        err(2, "get memory");
    memcpy(answer, head, sizeof head - 1);
    listener = listen_here(atoi(argv[1]), BACKLOG);
    become_class(argv[2]);
    /* A change of rights clears it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(sigaction(SIGUSR1, &on_calm, NULL), "handle SIGUSR1");
    if (argc > 4)
        pthread_detach(start_thread(spawn_on_and_on, NULL));
    for (;;) {

        long fd = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");

        pthread_detach(start_thread(serve_one, (void *)fd));
    }
}
