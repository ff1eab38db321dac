/*
 * control_server [WORKERS]: a server that does as it is told, a line at a time, so that a test can switch
 * the library's mode under it (control.py). It answers each line with one. With workers each line begins with the
 * number of the process that is meant.
 */
#define _GNU_SOURCE
#include "play.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 8, LINE = 256 };

static int listener;
static int set = -1;

static void say(const char *word, long number)
{
    dprintf(STDOUT_FILENO, "%s %ld\n", word, number);
}

static void start_listening(void)
{
    listener = listen_here(0, 64);
    say("port", net_port(listener));
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

    if (set < 0)
        set = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");
    must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), "watch");
}

static void close_many(int count)
{
    for (int i = 0; i < count; i++)
        close(must(open("/dev/null", O_RDONLY | O_CLOEXEC), "open /dev/null"));
}

static void obey(char *line)
{
    char *word = strtok(line, " \n");
    char *argument = strtok(NULL, " \n");
    int number = argument ? atoi(argument) : 0;
    struct epoll_event event;

    if (!word)
        return;
    if (strcmp(word, "accept") == 0) {
        say("fd", must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept"));
        return;
    }
    if (strcmp(word, "events") == 0) {
        say("events", must(epoll_wait(set, &event, 1, 0), "wait for events"));
        return;
    }
    if (strcmp(word, "close") == 0)
        must(close(number), "close");
    else if (strcmp(word, "watch") == 0)
        watch(number);
    else if (strcmp(word, "many") == 0)
        close_many(number);
    else if (strcmp(word, "thread") == 0)
        start_thread(sleep_for_ever, NULL);
    else if (strcmp(word, "chroot") == 0)
        must(chroot(argument), "change its root");
    else if (strcmp(word, "setuid") == 0)
        must(setuid((uid_t)number), "drop its rights");
    else
        unable(word);
    say("did", number);
}

static void obey_all(FILE *from)
{
    char line[LINE];

    while (fgets(line, sizeof line, from))
        obey(line);
}

/* Its end of the pipe; the ends of those before it are none of its business. */
static int start_worker(int *others, int count)
{
    int ends[2];
    FILE *from;

    must(pipe2(ends, O_CLOEXEC), "make a pipe");
    if (must(fork(), "fork") > 0) {
        close(ends[0]);
        return ends[1];
    }
    for (int i = 0; i < count; i++)
        close(others[i]);
    close(ends[1]);
    from = fdopen(ends[0], "r");
    if (!from)
        unable("read a pipe");
    obey_all(from);
    exit(0);
}

static void command_workers(int count)
{
    int pipes[WORKERS];
    char line[LINE];

    for (int i = 0; i < count; i++)
        pipes[i] = start_worker(pipes, i);
    while (fgets(line, sizeof line, stdin)) {
        char *rest;
        long worker = strtol(line, &rest, 10);

        if (worker < 0 || worker >= count)
            unable("find this worker");
        must(write(pipes[worker], rest + 1, strlen(rest + 1)), "tell a worker");
    }
    for (int i = 0; i < count; i++)
        close(pipes[i]);
    while (wait(NULL) > 0)
        ;
}

int main(int argc, char **argv)
{
    int workers = argc > 1 ? atoi(argv[1]) : 0;

    start_listening();
    if (workers > 0 && workers <= WORKERS)
        command_workers(workers);
    else
        obey_all(stdin);
    return 0;
}
