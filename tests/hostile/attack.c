/*
 * attack TALLY: the server that is attacked. It has one thread, answers before it has read a
 * request to its end and closes at once, so every connection has to linger. Commands come from
 * stdin, a line each, and what comes of them goes to stdout:
 *
 *   attack VARIANT SPEED MANNER SEED   forks an attacker          attacker PID
 *   worker COUNT                       forks a child that serves  worker PID
 *   drop                               other user and groups      dropped
 *   end                                returns from main          served COUNT
 *
 * A client asks for an answer by the parent, or by a child that is forked for it. "child PID" tells
 * of that one, "gone PID STATUS" of whoever has ended. Nothing is forked while the parent has a
 * connection open, but for the child that is to serve it.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { ANSWER = 300000, WORKER_MS = 2000 };

/* What a client begins with. */
struct request {
    uint32_t answer; /* bytes */
    uint32_t forked;
};

struct attack_tally *attack_tally;

static unsigned char answer[ANSWER];
static int listener;
static unsigned long served;
static bool over;

static void open_tally(const char *path)
{
    int fd = must(open(path, O_RDWR | O_CLOEXEC), "open the tally");

    attack_tally = mmap(NULL, sizeof *attack_tally, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (attack_tally == MAP_FAILED)
        unable("map the tally");
    must(close(fd), "close the tally");
}

static void begin_to_listen(void)
{
    struct sockaddr_in address = net_loopback(0);
    int room = 4 * ANSWER;

    listener = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "listen");
    /* Inherited by what is accepted: an answer goes in one write, however slow its reader. */
    must(setsockopt(listener, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room), "get room");
    must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(listener, 128), "listen");
    owner_say("port %d\n", net_port(listener));
}

/* Answered as soon as its head is read. */
static void serve(int fd, const struct request *request)
{
    uint32_t length = request->answer < ANSWER ? request->answer : ANSWER;

    if (send(fd, answer, length, MSG_NOSIGNAL) != (ssize_t)length)
        owner_say("short\n");
    must(close(fd), "close a connection");
}

static void serve_in_child(int fd, const struct request *request)
{
    int pid = must(fork(), "fork");

    if (pid == 0) {
        close(listener);
        serve(fd, request);
        exit(0);
    }
    owner_say("child %d\n", pid);
    must(close(fd), "close a connection");
}

static bool accept_one(bool may_fork)
{
    struct timeval patience = {.tv_sec = 2};
    struct request request;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (recv(fd, &request, sizeof request, MSG_WAITALL) != sizeof request)
        close(fd);
    else if (request.forked && may_fork)
        serve_in_child(fd, &request);
    else
        serve(fd, &request);
    served++;
    return true;
}

/* Accepts by itself, so that nobody else ever has what it serves. */
static _Noreturn void work(int count, bool at_once)
{
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    int64_t end = attack_now_us() + WORKER_MS * 1000;

    while (count > 0 && attack_now_us() < end)
        if (poll(&wait, 1, 50) > 0 && accept_one(false))
            count--;
    if (at_once)
        _exit(0);
    exit(0);
}

static void fork_worker(int count)
{
    int pid = must(fork(), "fork");

    if (pid == 0)
        work(count, count % 2);
    owner_say("worker %d\n", pid);
}

static void drop_rights(void)
{
    must(setgroups(0, NULL), "drop groups");
    must(setgid(ATTACK_SERVER_USER), "drop its group");
    must(setuid(ATTACK_SERVER_USER), "drop its user");
    owner_say("dropped\n");
}

static void obey(const char *line)
{
    struct attack_order order;
    unsigned variant, speed, manner;
    int count;

    if (sscanf(line, "attack %u %u %u %lu", &variant, &speed, &manner, &order.seed) == 4) {
        order.variant = (enum attack_variant)variant;
        order.speed = (enum attack_speed)speed;
        order.manner = (enum attack_manner)manner;
        owner_say("attacker %d\n", must(attack_fork(&order, listener), "fork an attacker"));
    } else if (sscanf(line, "worker %d", &count) == 1) {
        fork_worker(count);
    } else if (strcmp(line, "drop") == 0) {
        drop_rights();
    } else {
        over = true;
    }
}

/* All that is there: the end of it is the end. */
static void take_commands(void)
{
    static char pending[4096];
    static size_t length;
    ssize_t n = read(STDIN_FILENO, pending + length, sizeof pending - 1 - length);
    char *line = pending;
    char *newline;

    if (n <= 0) {
        over = true;
        return;
    }
    length += (size_t)n;
    pending[length] = '\0';
    while ((newline = strchr(line, '\n'))) {
        *newline = '\0';
        obey(line);
        line = newline + 1;
    }
    length -= (size_t)(line - pending);
    memmove(pending, line, length);
}

static void bury(void)
{
    int status;
    int pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        owner_say("gone %d %d\n", pid, status);
}

int main(int argc, char **argv)
{
    struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};

    if (argc != 2)
        return 99;
    for (long i = 0; i < ANSWER; i++)
        answer[i] = owner_byte(i);
    open_tally(argv[1]);
    begin_to_listen();
    wait[1].fd = listener;
    while (!over) {
        if (poll(wait, 2, 20) > 0 && wait[0].revents)
            take_commands();
        while (accept_one(true))
            ;
        bury();
    }
    owner_say("served %lu\n", served);
    return 0;
}
