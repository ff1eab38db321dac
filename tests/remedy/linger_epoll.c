/*
 * linger_epoll REGISTRATION CONNECTIONS: a server of one thread that relies on close() to take a
 * connection out of its epoll sets, as most do, and marks what belonged to it as dead. An event for
 * a dead connection is stale: with a real server it would be a pointer to freed memory.
 *
 * The client is another process, this program started without any library in front of it. Its
 * connections go on sending after the server's close, and only then end.
 *
 * What is printed compares with a run without the library: how many connections there were, how
 * many events were stale, how many answers the client read; and what differs, how many resets it
 * saw.
 */
#include "linger_epoll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    REQUEST = 10,
    READ = 5, /* of it, by the server */
    ANSWER = 100,
    LATE = 3,            /* messages after the close */
    CROWD = 64,          /* connections at a time */
    CLIENT_REPORTS = 10, /* the descriptor on which the client does */
};

/* ---- The client ---------------------------------------------------------------------------------- */

struct report {
    long answered;
    long reset;
};

/* Of several addresses, so that there are ports enough. */
static int connect_one(uint16_t port, long which)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK + which % 16)};
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "make a socket");

    must(connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
    must(send(fd, "0123456789", REQUEST, MSG_NOSIGNAL), "send a request");
    return fd;
}

/* How many bytes came before the end; whether that was a reset is added up. */
static long read_to_end(int fd, bool *reset)
{
    char bytes[4096];
    long got = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        got += n;
    *reset |= n < 0;
    return got;
}

static void play_crowd(uint16_t port, long from, long size, struct report *report)
{
    int fds[CROWD];
    bool reset[CROWD] = {false};

    for (long i = 0; i < size; i++)
        fds[i] = connect_one(port, from + i);
    for (long i = 0; i < size; i++)
        report->answered += read_to_end(fds[i], &reset[i]) == ANSWER;
    for (int late = 0; late < LATE; late++)
        for (long i = 0; i < size; i++)
            reset[i] |= send(fds[i], "and one more thing", 18, MSG_NOSIGNAL) < 0;
    for (long i = 0; i < size; i++) {
        reset[i] |= shutdown(fds[i], SHUT_WR) != 0;
        read_to_end(fds[i], &reset[i]);
        report->reset += reset[i];
        close(fds[i]);
    }
}

static int client_main(uint16_t port, long connections)
{
    struct report report = {0, 0};

    for (long i = 0; i < connections; i += CROWD)
        play_crowd(port, i, connections - i < CROWD ? connections - i : CROWD, &report);
    return write(CLIENT_REPORTS, &report, sizeof report) == sizeof report ? 0 : 1;
}

static pid_t start_client(uint16_t port, long connections, int *reports)
{
    char port_text[16], count_text[24];
    int ends[2];

    must(pipe(ends), "make a pipe");
    snprintf(port_text, sizeof port_text, "%d", port);
    snprintf(count_text, sizeof count_text, "%ld", connections);
    pid_t client = must(fork(), "fork");
    if (client == 0) {
        dup2(ends[1], CLIENT_REPORTS);
        unsetenv("LD_PRELOAD");
        execl("/proc/self/exe", "client", port_text, count_text, NULL);
        _exit(127);
    }
    close(ends[1]);
    *reports = ends[0];
    return client;
}

/* ---- The server ----------------------------------------------------------------------------------- */

int sets[SETS];
static struct connection *connections; /* never used again, so that each knows what it is */
static long accepted, wanted, closed, stale;
static int listener;
static int doomed = -1; /* one more set, which is closed before its connection */

static int raw_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    return syscall(SYS_epoll_ctl, set, operation, fd, event);
}

void add(epoll_ctl_call *call, int set, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};

    must(call(set, EPOLL_CTL_ADD, fd, &event), "register");
}

/* ---- Ways to register ----------------------------------------------------------------------------- */

void level(struct connection *c)
{
    add(epoll_ctl, sets[0], c->fd, EPOLLIN | EPOLLRDHUP, c);
}

static void edge(struct connection *c)
{
    add(epoll_ctl, sets[0], c->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c);
}

static void oneshot(struct connection *c)
{
    add(epoll_ctl, sets[0], c->fd, EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, c);
}

static void by_syscall(struct connection *c)
{
    add(raw_epoll_ctl, sets[0], c->fd, EPOLLIN | EPOLLRDHUP, c);
}

static void two_sets(struct connection *c)
{
    level(c);
    add(epoll_ctl, sets[1], c->fd, EPOLLRDHUP, c);
}

static void three_sets(struct connection *c)
{
    two_sets(c);
    add(epoll_ctl, sets[2], c->fd, EPOLLRDHUP, c);
}

/* Its number is gone by the time of the close, and the registration is not. */
static void by_duplicate(struct connection *c)
{
    int copy = must(dup(c->fd), "duplicate");

    add(epoll_ctl, sets[0], copy, EPOLLIN | EPOLLRDHUP, c);
    close(copy);
}

static void in_a_set_that_is_closed(struct connection *c)
{
    level(c);
    doomed = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");
    add(epoll_ctl, doomed, c->fd, EPOLLIN, c);
    close(doomed);
}

/* Changed, taken out and put in again. */
static void changed(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

    edge(c);
    must(epoll_ctl(sets[0], EPOLL_CTL_MOD, c->fd, &event), "change a registration");
    must(epoll_ctl(sets[0], EPOLL_CTL_DEL, c->fd, NULL), "take out");
    level(c);
}

static void add_in_vain(int fd, uint32_t events, int error)
{
    struct epoll_event event = {.events = events};

    if (epoll_ctl(sets[0], EPOLL_CTL_ADD, fd, &event) == 0 || errno != error)
        unable("have a registration refused");
}

/* First with flags that exclude each other, and then because it is there. */
static void refused(struct connection *c)
{
    add_in_vain(c->fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, EINVAL);
    level(c);
    add_in_vain(c->fd, EPOLLIN, EEXIST);
}

/* Served and closed before the call that registers it has returned, as another thread does that the event wakes.
 * calls_handler_lib below the library calls the handler. */
static struct connection *registered;

static void serve(const struct way *way, struct connection *c);

static void serve_registered(int signal)
{
    static const struct way way = {.close = close_it};
    struct pollfd request = {.fd = registered->fd, .events = POLLIN};

    (void)signal;
    if (registered->dead || poll(&request, 1, -1) != 1)
        return;
    serve(&way, registered);
}

static void level_and_served(struct connection *c)
{
    registered = c;
    signal(SIGUSR2, serve_registered);
    level(c);
    signal(SIGUSR2, SIG_DFL);
}

/* ---- Ways to close -------------------------------------------------------------------------------- */

void close_it(struct connection *c)
{
    close(c->fd);
}

void take_out(struct connection *c)
{
    must(epoll_ctl(sets[0], EPOLL_CTL_DEL, c->fd, NULL), "take out");
}

void take_out_and_close(struct connection *c)
{
    take_out(c);
    close(c->fd);
}

/* The mistake that shows whether a stale event would be found: it is held on. */
static void close_another(struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
    must(dup(c->fd), "duplicate");
    close(c->fd);
}

static const struct way ways[] = {
    {"level", level, close_it, NULL},
    {"edge", edge, close_it, NULL},
    {"oneshot", oneshot, close_it, NULL},
    {"syscall", by_syscall, close_it, NULL},
    {"two-sets", two_sets, close_it, NULL},
    {"three-sets", three_sets, close_it, NULL},
    {"duplicate", by_duplicate, close_it, NULL},
    {"closed-set", in_a_set_that_is_closed, close_it, NULL},
    {"changed", changed, close_it, NULL},
    {"taken-out", level, take_out_and_close, NULL},
    {"refused", refused, close_it, NULL},
    {"served-meanwhile", level_and_served, close_it, NULL},
    {"held-on", level, close_another, NULL},
    {.name = NULL},
};

static const struct way *find_way(const char *name)
{
    const struct way *lists[] = {ways, ring_ways, family_ways};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (const struct way *way = lists[i]; way->name; way++)
            if (strcmp(name, way->name) == 0)
                return way;
    return NULL;
}

/* ---- Serving -------------------------------------------------------------------------------------- */

static void take(const struct way *way)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    struct connection *c = &connections[accepted++];
    *c = (struct connection){.fd = fd};
    way->put_in(c);
}

static void serve(const struct way *way, struct connection *c)
{
    static const char answer[ANSWER];
    char bytes[READ];

    if (c->dead) {
        stale++;
        return;
    }
    if (recv(c->fd, bytes, sizeof bytes, 0) < 0)
        return; /* edge-triggered sets tell of room to write first */
    if (send(c->fd, answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
        unable("answer");
    c->dead = true;
    way->close(c);
    closed++;
}

/* All sets, once: after one event of a connection the others may be of a dead one, which a server
 * has to know itself, so each is asked for anew. */
static void look(const struct way *way, int ms)
{
    struct epoll_event event;

    for (int i = 0; i < SETS; i++) {
        if (epoll_wait(sets[i], &event, 1, i ? 0 : ms) <= 0)
            continue;
        if (event.data.ptr)
            serve(way, event.data.ptr);
        else
            take(way);
    }
}

static uint16_t open_listener(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t size = sizeof any;

    listener =
        must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "make a socket");
    must(bind(listener, (struct sockaddr *)&any, size), "bind");
    must(listen(listener, 2 * CROWD), "listen");
    must(getsockname(listener, (struct sockaddr *)&any, &size), "ask for the port");
    return ntohs(any.sin_port);
}

static void run(const struct way *way)
{
    struct report report = {-1, -1};
    int reports, ended = 0;

    connections = calloc(wanted, sizeof *connections);
    for (int i = 0; i < SETS; i++)
        sets[i] = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");
    if (way->prepare)
        way->prepare();
    pid_t client = start_client(open_listener(), wanted, &reports);
    add(epoll_ctl, sets[0], listener, EPOLLIN, NULL);
    /* Events of connections that nobody has any more would come while the client goes on. */
    while (!ended) {
        ended = waitpid(client, NULL, WNOHANG);
        look(way, 1);
    }
    for (int i = 0; i < 10; i++)
        look(way, 1);
    if (read(reports, &report, sizeof report) != sizeof report)
        unable("hear the client");
    printf("closed=%ld stale=%ld answered=%ld\n", closed, stale, report.answered);
    printf("reset=%ld\n", report.reset);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[0], "client") == 0)
        return client_main(atoi(argv[1]), atol(argv[2]));
    const struct way *way = argc == 3 ? find_way(argv[1]) : NULL;
    if (way) {
        raise_limit();
        wanted = atol(argv[2]);
        run(way);
        return 0;
    }
    fprintf(stderr, "usage: linger_epoll REGISTRATION CONNECTIONS\n");
    return 2;
}
