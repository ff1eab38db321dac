/*
 * calls_crowd CLASS CLIENTS CLOSES [late]: a server with a thread for each connection reads a part
 * of a request, answers early and closes, so many times, for so many clients at a time, beside a
 * busy process. Before it begins it does what its CLASS says, which decides what it may know of its
 * own threads: "plain", "setuid", "setuid-dumpable", "chroot" or "undumpable".
 *
 * A client sends its request and reads slowly, through a small window; with "late" it sends some
 * more when it has read half of the answer. The program that is started is the clients; it starts
 * itself once more as the server, with $LIBSAFECLOSE in front. Prints how many got the whole answer
 * and then the end, and how many closes the kernel reset for unread data.
 */
#define _GNU_SOURCE
#include "play.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LISTENER = 3, /* the number under which the server inherits it */
    REQUEST = 20000,
    READ = 4000, /* of the request */
    ANSWER = 2000071,
    WINDOW = 65536,
    LATE = 1000,
    CLIENTS_MOST = 100,
};

/* ---- The server ------------------------------------------------------------------------------ */

static void *serve_one(void *arg)
{
    static const char answer[ANSWER];
    char request[READ];
    int fd = (int)(long)arg;
    long sent = 0;
    ssize_t n = recv(fd, request, sizeof request, 0);

    for (; n > 0 && sent < ANSWER; sent += n)
        n = send(fd, answer + sent, (size_t)(ANSWER - sent), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static _Noreturn void serve(const char *class)
{
    become_class(class);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 2; i++)
        start_thread(sleep_for_ever, NULL);
    for (;;) {
        long fd = must(accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC), "accept");

        pthread_detach(start_thread(serve_one, (void *)fd));
    }
}

/* ---- The clients ----------------------------------------------------------------------------- */

static struct sockaddr_in address;
static bool late;
static atomic_int to_do;
static atomic_int whole;

static long read_answer(int fd)
{
    static const char rest[LATE];
    char block[16384];
    bool has_sent = !late;
    long size = 0;
    ssize_t n;

    while ((n = recv(fd, block, sizeof block, 0)) > 0) {
        size += n;
        if (!has_sent && size > ANSWER / 2)
            has_sent = send(fd, rest, sizeof rest, MSG_NOSIGNAL) == (ssize_t)sizeof rest;
    }
    return n < 0 ? -1 : size;
}

static void be_client(void)
{
    static const struct net_options options = {.peer_receive_buffer = WINDOW};
    static const char request[REQUEST];
    const struct timeval patience = {20, 0};
    int fd = must(net_socket(&options), "make a socket");

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, sizeof request, MSG_NOSIGNAL) == (ssize_t)sizeof request &&
        read_answer(fd) == ANSWER)
        atomic_fetch_add(&whole, 1);
    close(fd);
}

static void *be_clients(void *unused)
{
    while (atomic_fetch_sub(&to_do, 1) > 0)
        be_client();
    return unused;
}

/* Keeps nothing of the listening socket itself: without a server no client waits for one. */
static pid_t start_server(char **argv, int clients)
{
    socklen_t size = sizeof address;
    int listener = must(net_listen(NULL, clients), "listen");
    pid_t pid;

    must(getsockname(listener, (struct sockaddr *)&address, &size), "know the port");
    pid = must(fork(), "fork");
    if (pid > 0) {
        close(listener);
        return pid;
    }
    /* From another number, so that it surely isn't close-on-exec any more. */
    must(dup2(must(fcntl(listener, F_DUPFD_CLOEXEC, LISTENER + 1), "dup"), LISTENER), "dup2");
    go_behind_library();
    execl("/proc/self/exe", argv[0], argv[1], (char *)NULL);
    err(2, "start the server");
}

static pid_t start_busy_one(void)
{
    pid_t pid = must(fork(), "fork");

    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        __asm__ volatile("");
}

static void end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    must(waitpid(pid, &status, 0), "wait");
    if (!WIFSIGNALED(status))
        errx(1, "the server ended by itself with status %#x", (unsigned)status);
}

static int play(char **argv, int clients, int closes)
{
    pthread_t threads[CLIENTS_MOST];
    struct net_resets before = net_resets_now();
    pid_t server;
    pid_t busy;

    server = start_server(argv, clients);
    busy = start_busy_one();
    to_do = closes;
    for (int i = 0; i < clients; i++)
        threads[i] = start_thread(be_clients, NULL);
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    printf("%d of %d whole\nresets for unread data %ld\n", whole, closes,
           net_resets_since(before).on_close);
    end(busy);
    end(server);
    return 0;
}

int main(int argc, char **argv)
{
    int clients;

    if (argc == 2)
        serve(argv[1]);
    if (argc < 4 || (clients = atoi(argv[2])) < 1 || clients > CLIENTS_MOST)
        errx(2, "usage: calls_crowd CLASS CLIENTS CLOSES [late]");
    late = argc > 4;
    return play(argv, clients, atoi(argv[3]));
}
