/*
 * hostile_server [THREADS BUSY]: a small server, which closes as most do: at once, with what it has
 * not read still to come. It has one thread and an epoll set; or so many, each with a connection
 * that blocks, and so many that only use up processors. Prints its port when it listens; at SIGTERM
 * how many connections it accepted, and returns from main.
 */
#define _GNU_SOURCE
#include "hostile.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

enum { EVENTS = 256, CONNECTIONS = 1 << 17 };

/* By its number. */
struct connection {
    struct hostile_request request;
    uint32_t got; /* of the request and the body */
    uint32_t sent;
};

static struct connection connections[CONNECTIONS];
static unsigned char answer[HOSTILE_ANSWER_MOST];
static int sets;
static int listener;
static _Atomic unsigned long accepted;
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void listen_anywhere(void)
{
    struct sockaddr_in address = net_loopback(0);
    int room = 4 * HOSTILE_ANSWER_MOST;

    listener = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "listen");
    /* Inherited by what is accepted, so that most answers go in one write. */
    if (setsockopt(listener, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
        setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    must(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(listener, 4096), "listen");
    owner_say("%d\n", net_port(listener));
}

static void watch(int fd, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    must(epoll_ctl(sets, how, fd, &event), "watch");
}

/* True when it is over. */
static bool give_answer(int fd, struct connection *c)
{
    while (c->sent < c->request.answer) {
        ssize_t n = send(fd, answer + c->sent, c->request.answer - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN)
                watch(fd, EPOLLOUT, EPOLL_CTL_MOD);
            return errno != EAGAIN;
        }
        c->sent += (uint32_t)n;
    }
    return true;
}

static bool is_asked(const struct connection *c)
{
    return c->got >= sizeof c->request && c->got - sizeof c->request >= c->request.body;
}

static bool read_request(int fd, struct connection *c)
{
    static char body[65536];

    while (!is_asked(c)) {
        uint32_t left = c->got < sizeof c->request
                            ? (uint32_t)sizeof c->request - c->got
                            : c->request.body - (c->got - (uint32_t)sizeof c->request);
        char *to = c->got < sizeof c->request ? (char *)&c->request + c->got : body;
        ssize_t n = recv(fd, to, left < sizeof body ? left : sizeof body, 0);
        if (n <= 0)
            return n == 0 || errno != EAGAIN;
        c->got += (uint32_t)n;
        if (c->request.answer > HOSTILE_ANSWER_MOST)
            c->request.answer = HOSTILE_ANSWER_MOST;
    }
    return give_answer(fd, c);
}

static void serve(int fd)
{
    struct connection *c = &connections[fd];

    if (is_asked(c) ? give_answer(fd, c) : read_request(fd, c))
        close(fd);
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        accepted++;
        connections[fd] = (struct connection){0};
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* One connection at a time, as a pool of threads has them. */
static void *serve_blocking(void *unused)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        accepted++;
        connections[fd] = (struct connection){0};
        read_request(fd, &connections[fd]);
        close(fd);
    }
    return unused;
}

static void *be_busy(void *unused)
{
    while (!stopped)
        ;
    return unused;
}

static void start_threads(int count, void *(*routine)(void *))
{
    while (count--)
        start_thread(routine, NULL);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct sigaction action = {.sa_handler = stop};
    sigset_t term, none;

    sigemptyset(&none);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (long i = 0; i < HOSTILE_ANSWER_MOST; i++)
        answer[i] = owner_byte(i);
    sets = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");
    listen_anywhere();
    if (argc == 3) {
        must(fcntl(listener, F_SETFL, 0), "wait for connections");
        start_threads(atoi(argv[1]), serve_blocking);
        start_threads(atoi(argv[2]), be_busy);
    } else {
        watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    }
    while (!stopped) {
        int n = epoll_pwait(sets, events, EVENTS, -1, &none);
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                accept_all();
            else
                serve(events[i].data.fd);
    }
    owner_say("%lu\n", accepted);
    return 0;
}
