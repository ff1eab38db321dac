/*
 * owner_server KIND CONNECTIONS: serves what owner_client.c asks, and ends when so many connections
 * are served. A request is how many bytes follow, whether it is the connection's last, and the
 * bytes; the answer is the same bytes, each one inverted.
 *
 *     fork      a child for each connection; the parent closes at once
 *     prefork   four workers that share the listening socket
 *     mixed     three threads at once, and each connection another way: in the thread, in a child,
 *               on a duplicate, in a grandchild
 *
 * Children of the threads call nothing but what a signal handler could.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner.h"
#include "owner_request.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static int listener;

/* All of it, or false at the end. */
static bool get(int fd, void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = recv(fd, bytes, size, 0);
        if (n <= 0)
            return false;
        bytes = (char *)bytes + n;
        size -= (size_t)n;
    }
    return true;
}

static bool put(int fd, const void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = (const char *)bytes + n;
        size -= (size_t)n;
    }
    return true;
}

/* Until the request that says it is the last; what comes behind it stays unread. */
static void serve(int fd)
{
    unsigned char body[REQUEST_MOST];
    struct request request;

    do {
        if (!get(fd, &request, sizeof request) || request.size > sizeof body ||
            !get(fd, body, request.size))
            return;
        for (uint32_t i = 0; i < request.size; i++)
            body[i] = (unsigned char)~body[i];
        if (!put(fd, body, request.size))
            return;
    } while (!request.last);
}

static void fork_each(int connections)
{
    for (; connections > 0; connections--) {
        int fd = must(accept(listener, NULL, NULL), "accept");
        pid_t pid = must(fork(), "fork");
        if (pid == 0) {
            close(listener);
            serve(fd);
            /* Some close, some leave that to their exit. */
            if (connections % 2)
                close(fd);
            exit(0);
        }
        close(fd);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    while (wait(NULL) > 0)
        ;
}

static void prefork(int connections)
{
    enum { WORKERS = 4 };

    for (int i = 0; i < WORKERS; i++)
        if (must(fork(), "fork") == 0) {
            for (int n = 0; n < connections / WORKERS; n++) {
                int fd = must(accept(listener, NULL, NULL), "accept");
                serve(fd);
                close(fd);
            }
            exit(0);
        }
    while (wait(NULL) > 0)
        ;
}

/* ---- Mixed ----------------------------------------------------------------------------------- */

static _Atomic int left;

static void in_child(int fd, int depth)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (depth > 0)
            in_child(fd, depth - 1);
        else
            serve(fd);
        _exit(0);
    }
    if (pid > 0)
        return;
    serve(fd);
}

/* On a duplicate, which is the last to be closed, or the first. */
static void on_duplicate(int fd, bool last)
{
    int copy = dup(fd);

    if (last)
        close(fd);
    serve(copy < 0 ? fd : copy);
    close(copy);
    if (!last)
        close(fd);
}

static void serve_somehow(int fd, int how)
{
    switch (how % 5) {
    case 0:
        serve(fd);
        close(fd);
        break;
    case 1:
        in_child(fd, 0);
        close(fd);
        break;
    case 2:
        in_child(fd, 1);
        close(fd);
        break;
    case 3:
        on_duplicate(fd, true);
        break;
    default:
        on_duplicate(fd, false);
        break;
    }
}

static void *serve_in_thread(void *unused)
{
    int how;

    while ((how = --left) >= 0) {
        int fd = must(accept(listener, NULL, NULL), "accept");
        serve_somehow(fd, how);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    return unused;
}

static void mixed(int connections)
{
    pthread_t threads[3];

    left = connections;
    for (int i = 0; i < 3; i++)
        threads[i] = start_thread(serve_in_thread, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    while (wait(NULL) > 0)
        ;
}

int main(int argc, char **argv)
{
    int connections = argc > 2 ? atoi(argv[2]) : 0;

    listener = owner_listens();
    if (connections <= 0)
        return 2;
    if (strcmp(argv[1], "fork") == 0)
        fork_each(connections);
    else if (strcmp(argv[1], "prefork") == 0)
        prefork(connections);
    else if (strcmp(argv[1], "mixed") == 0)
        mixed(connections);
    else
        return 2;
    return 0;
}
