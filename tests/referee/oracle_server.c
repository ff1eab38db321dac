/*
 * The server: threads that accept, while others fork; two prefork workers that accept, too; and workers
 * that receive connections in messages, two of them another user's. See oracle.h.
 */
#define _GNU_SOURCE
#include "oracle.h"

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { PREFORK = 2, RECEIVERS = 2, ALARM_US = 3000 };

int channels[2];
char program[4096];
static int listeners[2]; /* the threads', the workers' */

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "oracle: server unable to %s: %s\n", what, strerror(errno));
    _exit(3);
}

/* ---- Which connection ------------------------------------------------------------------------ */

static int port_of(int (*ask)(int, struct sockaddr *, socklen_t *), int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (ask(fd, (struct sockaddr *)&address, &size) != 0 || address.sin_family != AF_INET)
        return 0;
    return ntohs(address.sin_port);
}

/* The kernel gives two clients the same port where their servers' ports differ. */
static _Atomic int *entry_of(int fd)
{
    int port = port_of(getpeername, fd);
    bool worker = port_of(getsockname, fd) == board->ports[1];

    return port ? &board->by_port[worker][port] : NULL;
}

/* False if no client says what is played on this number. */
bool act_of(struct act *a, int fd)
{
    _Atomic int *entry = entry_of(fd);
    int slot = entry ? atomic_load(entry) - 1 : -1;

    if (slot < 0)
        return false;
    *a = (struct act){.fd = fd, .slot = &board->slots[slot]};
    board_scenario(&a->s, slot);
    return true;
}

static void serve(int fd)
{
    _Atomic int *entry = entry_of(fd);
    struct act a;

    if (entry && wait_for(entry, 1) && act_of(&a, fd))
        play(&a);
    else
        close(fd);
}

/* ---- Who accepts ----------------------------------------------------------------------------- */

static int accept_by(int listener, unsigned way)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;

    switch (way % 4) {
    case 0:
        return accept(listener, NULL, NULL);
    case 1:
        return accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
    case 2:
        return (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC);
    default:
        return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
}

static void *accept_all(void *listener)
{
    for (unsigned way = 0;; way++) {
        int fd = accept_by(*(int *)listener, way);

        if (fd >= 0)
            serve(fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            fail("accept");
    }
    return NULL;
}

static void receive_all(int channel)
{
    struct act a;
    int fd;

    for (;;) {
        fd = net_receive_descriptor(channel, MSG_CMSG_CLOEXEC);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0)
            _exit(0);
        if (act_of(&a, fd)) {
            atomic_store(&a.slot->claimed, 1);
            use(&a);
        } else {
            close(fd);
        }
    }
}

/* Opens and closes, in the middle of whatever the thread does. */
static void handle_alarm(int number)
{
    int saved = errno;
    int copy = for_handler >= 0 ? dup(for_handler) : socket(AF_INET, SOCK_STREAM, 0);

    (void)number;
    if (copy >= 0)
        close(copy);
    errno = saved;
}

static void start_alarms(void)
{
    struct itimerval often = {.it_interval.tv_usec = ALARM_US, .it_value.tv_usec = ALARM_US};

    setitimer(ITIMER_REAL, &often, NULL);
}

static void start_receivers(void)
{
    for (int user = 0; user < 2; user++) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
            fail("get a channel");
        for (int i = 0; i < RECEIVERS; i++) {
            if (fork() != 0)
                continue;
            close(pair[0]);
            if (user && (setgid(65534) != 0 || setuid(65534) != 0))
                fail("become another user");
            receive_all(pair[1]);
        }
        close(pair[1]);
        channels[user] = pair[0];
    }
}

static void start_workers(void)
{
    for (int i = 0; i < PREFORK; i++)
        if (fork() == 0) {
            start_alarms();
            accept_all(&listeners[1]);
        }
    close(listeners[1]);
}

static int listen_here(int which)
{
    struct net_options options = {.family = NET_IPV4};
    int fd = net_listen(&options, 128);

    if (fd < 0)
        fail("listen");
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    listeners[which] = fd;
    return net_port(fd);
}

/* ---- Starts ---------------------------------------------------------------------------------- */

static void enter(void)
{
    struct sigaction alarms = {.sa_handler = handle_alarm, .sa_flags = SA_RESTART};
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);

    if (size < 0)
        fail("find its own file");
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED, BOARD_FD, 0);
    if (board == MAP_FAILED)
        fail("map the board");
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGALRM, &alarms, NULL);
}

static void raise_limit(void)
{
    struct rlimit limit = {4096, 4096};

    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("get 4096 descriptors");
}

int server_main(void)
{
    pthread_t thread;
    int ports[2];

    enter();
    raise_limit();
    for (int i = 0; i < 2; i++)
        ports[i] = listen_here(i);
    start_receivers();
    start_workers();
    for (int i = 0; i < board->threads; i++)
        if (pthread_create(&thread, NULL, accept_all, &listeners[0]) != 0)
            fail("start a thread");
    start_alarms();
    for (int i = 0; i < 2; i++)
        atomic_store(&board->ports[i], ports[i]);
    for (;;)
        pause();
}

/* A program that has a connection since it was executed, or two. */
int helper_main(int argc, char **argv)
{
    struct act a, adopted = {.fd = -1};

    enter();
    if (argc < 2 || !act_of(&a, atoi(argv[0])) || (argc > 2 && !act_of(&adopted, atoi(argv[2]))))
        return 2;
    a.s.signals = adopted.s.signals = false;
    if (strcmp(argv[1], "user") == 0)
        use(&a);
    else
        give_up(&a);
    if (argc > 2)
        use(&adopted);
    return 0;
}
