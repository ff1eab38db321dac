/*
 * owner_client SERVER KIND CONNECTIONS REQUESTS UNREAD: starts the server (owner_server.c) with
 * $LIBSAFECLOSE in front of it, asks it so many times on each connection, four connections at a
 * time, and compares every byte. UNREAD bytes follow each connection's last request. Says how many
 * answers were right and how the connections ended, and on stderr how long it took; ends when all
 * processes have ended.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner.h"
#include "owner_request.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

enum { AT_ONCE = 4, PATIENCE_S = 10 };

static int port, requests, unread;
static _Atomic int left;
static _Atomic long right, wrong, resets;

static int connected(void)
{
    const struct timeval patience = {PATIENCE_S, 0};
    int fd = connect_here(port);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* The request, and what nobody will read, in one write; the answer byte by byte. */
static bool ask(int fd, uint32_t size, unsigned seed, bool last)
{
    unsigned char bytes[sizeof(struct request) + REQUEST_MOST + 1000] = {0};
    unsigned char answer[REQUEST_MOST];
    struct request request = {size, last};
    size_t all = sizeof request + size + (last ? (size_t)unread : 0);

    memcpy(bytes, &request, sizeof request);
    for (uint32_t i = 0; i < size; i++)
        bytes[sizeof request + i] = (unsigned char)(seed + i * 7);
    if (send(fd, bytes, all, MSG_NOSIGNAL) != (ssize_t)all ||
        recv(fd, answer, size, MSG_WAITALL) != (ssize_t)size)
        return false;
    for (uint32_t i = 0; i < size; i++)
        if (answer[i] != (unsigned char)~bytes[sizeof request + i])
            return false;
    return true;
}

static void use_connection(unsigned seed)
{
    unsigned char more;
    int fd = connected();

    for (int i = 0; i < requests; i++) {
        uint32_t size = 1 + (seed * 7919 + (unsigned)i * 104729) % REQUEST_MOST;
        if (ask(fd, size, seed + (unsigned)i, i == requests - 1))
            right++;
        else
            wrong++;
    }
    if (recv(fd, &more, 1, 0) != 0)
        resets++;
    close(fd);
}

static void *use_connections(void *unused)
{
    int number;

    while ((number = --left) >= 0)
        use_connection((unsigned)number);
    return unused;
}

static pid_t start(char **command, int wire)
{
    pid_t pid = fork();

    if (pid == 0)
        owner_becomes(command, wire);
    return must(pid, "fork");
}

/* The server's only question. */
static void learn_port(int wire)
{
    struct owner_question question;
    struct owner_answer answer = {.right = true};

    if (recv(wire, &question, sizeof question, 0) != sizeof question ||
        send(wire, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
        unable("learn the port");
    port = (int)question.number;
}

int main(int argc, char **argv)
{
    char *command[4] = {NULL};
    pthread_t threads[AT_ONCE];
    int64_t began, ended;
    int status, wires[2];

    if (argc != 6)
        return 2;
    memcpy(command, argv + 1, 3 * sizeof *command);
    left = atoi(argv[3]);
    requests = atoi(argv[4]);
    unread = atoi(argv[5]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires), "make a wire");
    pid_t server = start(command, wires[1]);
    close(wires[1]);
    learn_port(wires[0]);
    began = net_now_ns();
    for (int i = 0; i < AT_ONCE; i++)
        threads[i] = start_thread(use_connections, NULL);
    for (int i = 0; i < AT_ONCE; i++)
        pthread_join(threads[i], NULL);
    must(waitpid(server, &status, 0), "wait for the server");
    ended = net_now_ns();
    owner_say("%ld right, %ld wrong, %ld resets\n", right, wrong, resets);
    owner_say("server ended with %#x\n", (unsigned)status);
    /* Orphans come to us; one that does not end would be left behind. */
    alarm(PATIENCE_S);
    while (wait(&status) > 0)
        if (status != 0)
            owner_say("a process ended with %#x\n", (unsigned)status);
    fprintf(stderr, "%.1f\n", (double)(ended - began) / 1e6);
    return 0;
}
