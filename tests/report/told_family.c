/*
 * told_family SCENE...: families of processes, as servers are, and the clients that they have.
 *
 *   clients PORT COUNT [fin|late]
 *                               one connection after the other: sends 10 bytes (and its FIN), reads to the end
 *                               (and sends 10 more). Says how often the end was "eof" and how often "reset"
 *   streams PORT COUNT [nobody] accepts, duplicates and forks; the child (as nobody) reads all and closes both
 *                               numbers, the parent closes its streams at the same time: no reset
 *   fork-each PORT COUNT        a child for each connection leaves bytes unread, and closes
 *   two-processes PORT COUNT    two processes, the later one forked for it, close each connection at once, unread
 *   end-and-close PORT COUNT    a process ends while the one that forked it closes each connection, unread
 *   outlived PORT COUNT         a process with two threads closes each connection, unread, and a child of its ends
 *                               a little later
 *   given PORT COUNT            as two-processes, the other one having been sent the connection
 *   two-threads PORT COUNT      two threads close their own number of each connection at once, unread
 *   other-rights PORT COUNT     a worker that became nobody closes so many, unread, and ends; then the parent one
 *   prefork PORT WORKERS        workers that close each connection unread, until the parent is killed
 *   uses listen|connect|accept PORT
 *                               calls that function at a line of input (accept: on number 3), and ends at another
 *   leak COMMAND...             executes it with a connection and a listening socket that leaked, unread
 *                               bytes and a client in them
 *   with-listener PORT COMMAND...
 *                               executes it with a listening socket as number 3
 *
 * Servers close at most 40 connections a second, where each may take two events: more than 100 a second are not
 * written. (Of the closes of "streams" few have one.)
 */
#define _GNU_SOURCE
#include "play.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 10, BACKLOG = 50, NOBODY = 65534, PACE_MS = 25, QUICK_MS = 8, SPINS = 20000 };

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void wait_for_line(void)
{
    while (getchar() != '\n')
        if (feof(stdin))
            return;
}

static struct sockaddr_in address_of(const char *port)
{
    return net_loopback(atoi(port));
}

static int bound_to(const char *port)
{
    const struct sockaddr_in address = address_of(port);
    int one = 1;
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "make a socket");

    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "use the port again");
    must(bind(fd, (const struct sockaddr *)&address, sizeof address), "bind");
    return fd;
}

static int listen_on(const char *port)
{
    int fd = bound_to(port);

    must(listen(fd, BACKLOG), "listen");
    return fd;
}

/* With its request there. */
static int accept_one(int listener)
{
    int fd = must(accept(listener, NULL, NULL), "accept");

    if (!net_wait_at_least(net_unread, fd, REQUEST))
        errx(2, "no request");
    return fd;
}

static void end_child(pid_t pid)
{
    int status;

    must(waitpid(pid, &status, 0), "wait");
    if (status != 0)
        errx(2, "a child ended with status %#x", (unsigned)status);
}

static void become_nobody(void)
{
    must(setgid(NOBODY), "setgid");
    must(setuid(NOBODY), "setuid");
}

/* ---- Meeting at one moment -------------------------------------------------------------------- */

static atomic_int *arrived; /* shared with children */

static void share_memory(void)
{
    arrived =
        mmap(NULL, sizeof *arrived, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (arrived == MAP_FAILED)
        err(2, "map");
}

/* Two of them, for the ROUND-th time, from 1. Whoever only yields the processor beside busy programs may wait
 * for seconds. */
static void meet(int round)
{
    atomic_fetch_add(arrived, 1);
    for (int spins = 0; atomic_load(arrived) < 2 * round; spins++)
        if (spins > SPINS)
            usleep(20);
}

/* ---- Clients ---------------------------------------------------------------------------------- */

static void be_clients(const char *port, int count, const char *how)
{
    const struct sockaddr_in address = address_of(port);
    int eof = 0;
    int reset = 0;

    for (int i = 0; i < count; i++) {
        int fd = must(socket(AF_INET, SOCK_STREAM, 0), "make a socket");
        struct net_end end;

        must(connect(fd, (const struct sockaddr *)&address, sizeof address), "connect");
        must((int)send(fd, "0123456789", REQUEST, MSG_NOSIGNAL), "send");
        if (strcmp(how, "fin") == 0)
            must(shutdown(fd, SHUT_WR), "half-close");
        end = net_read_to_end(fd);
        if (strcmp(how, "late") == 0) {
            send(fd, "0123456789", REQUEST, MSG_NOSIGNAL);
            net_pass_ms(2);
        }
        eof += end.error == 0;
        reset += end.error == ECONNRESET;
        close(fd);
    }
    printf("eof %d reset %d\n", eof, reset);
}

/* ---- Servers ---------------------------------------------------------------------------------- */

/* What comes before the last close of each is done before they meet. */
static void read_well(int fd, int duplicate, int round)
{
    char request[REQUEST];

    close(duplicate);
    meet(round);
    must((int)recv(fd, request, sizeof request, MSG_WAITALL), "read");
    close(fd);
    _exit(0);
}

static void streams(int listener, int count, bool nobody)
{
    share_memory();
    for (int i = 1; i <= count; i++) {
        int fd = accept_one(listener);
        int duplicate = must(dup(fd), "dup");
        FILE *in = fdopen(fd, "r");
        FILE *out = fdopen(duplicate, "w");
        pid_t pid = must(fork(), "fork");

        if (pid == 0) {
            if (nobody)
                become_nobody();
            read_well(fd, duplicate, i);
        }
        if (!in || !out || fclose(out) != 0)
            err(2, "use streams");
        meet(i);
        if (fclose(in) != 0)
            err(2, "close a stream");
        end_child(pid);
        net_pass_ms(QUICK_MS);
    }
}

static void leave_unread(int fd)
{
    char byte;

    must((int)recv(fd, &byte, 1, 0), "read");
    close(fd);
}

static void fork_each(int listener, int count)
{
    for (int i = 0; i < count; i++) {
        int fd = accept_one(listener);
        int go[2];
        pid_t pid;
        char byte;

        must(pipe(go), "pipe");
        pid = must(fork(), "fork");
        if (pid == 0) {
            close(listener);
            close(go[1]);
            must((int)read(go[0], &byte, 1), "wait for the parent");
            leave_unread(fd);
            _exit(0);
        }
        close(fd);
        close(go[1]);
        close(go[0]);
        end_child(pid);
        net_pass_ms(PACE_MS);
    }
}

static void two_processes(int listener, int count, bool ends)
{
    share_memory();
    for (int i = 1; i <= count; i++) {
        int fd = accept_one(listener);
        pid_t pid = must(fork(), "fork");

        meet(i);
        if (pid == 0 && ends)
            _exit(0);
        close(fd);
        if (pid == 0)
            _exit(0);
        end_child(pid);
        net_pass_ms(PACE_MS);
    }
}

static void outlived(int listener, int count)
{
    start_thread(sleep_for_ever, NULL);
    for (int i = 0; i < count; i++) {
        int fd = accept_one(listener);
        pid_t pid = must(fork(), "fork");

        if (pid == 0) {
            net_pass_ms(i % 4);
            _exit(0);
        }
        close(fd);
        end_child(pid);
    }
    net_pass_ms(200); /* the last one lingers until this process ends */
}

static void given(int listener, int count)
{
    int channel[2];
    pid_t pid;

    share_memory();
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), "make a channel");
    pid = must(fork(), "fork");
    for (int i = 1; i <= count; i++) {
        int fd;

        if (pid == 0) {
            fd = must(net_receive_descriptor(channel[1], 0), "receive");
        } else {
            fd = accept_one(listener);
            if (!net_send_descriptor(channel[0], fd, 0))
                err(2, "send a number");
        }
        meet(i);
        close(fd);
        if (pid != 0)
            net_pass_ms(PACE_MS);
    }
    if (pid == 0)
        exit(0);
    end_child(pid);
}

static struct {
    int duplicate;
    int count;
    atomic_int begun; /* rounds, by the main thread */
    atomic_int ended; /* by the other */
} rounds;

static void *close_duplicates(void *unused)
{
    for (int i = 1; i <= rounds.count; i++) {
        while (atomic_load(&rounds.begun) < i)
            sched_yield();
        meet(i);
        close(rounds.duplicate);
        atomic_store(&rounds.ended, i);
    }
    return unused;
}

static void two_threads(int listener, int count)
{
    pthread_t thread;

    share_memory();
    rounds.count = count;
    thread = start_thread(close_duplicates, NULL);
    for (int i = 1; i <= count; i++) {
        int fd = accept_one(listener);

        rounds.duplicate = must(dup(fd), "dup");
        atomic_store(&rounds.begun, i);
        meet(i);
        close(fd);
        while (atomic_load(&rounds.ended) < i)
            sched_yield();
        net_pass_ms(PACE_MS);
    }
    pthread_join(thread, NULL);
}

static void other_rights(int listener, int count)
{
    pid_t pid = must(fork(), "fork");

    if (pid == 0)
        become_nobody();
    else
        end_child(pid);
    for (int i = pid == 0 ? count : 1; i > 0; i--)
        leave_unread(accept_one(listener));
    if (pid == 0)
        exit(0);
}

static void prefork(int listener, int workers)
{
    for (int i = 0; i < workers; i++) {
        if (must(fork(), "fork") > 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        for (;;) {
            leave_unread(accept_one(listener));
            net_pass_ms(PACE_MS);
        }
    }
    say("serves");
    for (;;)
        pause();
}

/* ---- What is no server ------------------------------------------------------------------------ */

static void uses(const char *what, const char *port)
{
    const struct sockaddr_in address = address_of(port);
    bool listens = strcmp(what, "listen") == 0;
    bool accepts = strcmp(what, "accept") == 0;
    int fd = listens   ? bound_to(port)
             : accepts ? 3
                       : must(socket(AF_INET, SOCK_STREAM, 0), "make a socket");

    say("ready");
    wait_for_line();
    if (listens)
        must(listen(fd, BACKLOG), "listen");
    else if (accepts)
        must(accept(fd, NULL, NULL), "accept");
    else
        must(connect(fd, (const struct sockaddr *)&address, sizeof address), "connect");
    say("done");
    wait_for_line();
}

static _Noreturn void execute(char **command)
{
    execvp(command[0], command);
    err(2, "execute %s", command[0]);
}

static void must_not_close_on_exec(int fd)
{
    must(fcntl(fd, F_SETFD, 0), "let a number leak");
}

static _Noreturn void leak(char **command)
{
    struct net_pair pair;
    int waiting = net_socket(NULL);
    int hold[2];

    must(net_pair_open(&pair, NULL), "connect");
    must((int)send(pair.peer, "0123456789", REQUEST, MSG_NOSIGNAL), "send");
    must(net_connect(waiting, pair.listener, NULL), "connect");
    if (!net_wait_at_least(net_unread, pair.ours, REQUEST) ||
        !net_wait_at_least(net_backlog, pair.listener, 1))
        errx(2, "nothing has come");
    /* The peers' ends stay open until the command has ended. */
    must(pipe(hold), "pipe");
    if (must(fork(), "fork") == 0) {
        char byte;

        close(hold[1]);
        close(pair.ours);
        close(pair.listener);
        close(1);
        close(2);
        must((int)read(hold[0], &byte, 1), "wait");
        _exit(0);
    }
    close(hold[0]);
    close(pair.peer);
    close(waiting);
    must_not_close_on_exec(hold[1]);
    must_not_close_on_exec(pair.ours);
    must_not_close_on_exec(pair.listener);
    execute(command);
}

static _Noreturn void with_listener(const char *port, char **command)
{
    int fd = listen_on(port);

    if (fd != 3)
        must(dup2(fd, 3), "dup2");
    must_not_close_on_exec(3);
    execute(command);
}

static void be_server(const char *scene, const char *port, int count, const char *how)
{
    int listener = listen_on(port);

    if (strcmp(scene, "streams") == 0)
        streams(listener, count, how);
    else if (strcmp(scene, "fork-each") == 0)
        fork_each(listener, count);
    else if (strcmp(scene, "two-processes") == 0)
        two_processes(listener, count, false);
    else if (strcmp(scene, "end-and-close") == 0)
        two_processes(listener, count, true);
    else if (strcmp(scene, "outlived") == 0)
        outlived(listener, count);
    else if (strcmp(scene, "given") == 0)
        given(listener, count);
    else if (strcmp(scene, "two-threads") == 0)
        two_threads(listener, count);
    else if (strcmp(scene, "other-rights") == 0)
        other_rights(listener, count);
    else if (strcmp(scene, "prefork") == 0)
        prefork(listener, count);
    else
        errx(2, "no scene \"%s\"", scene);
    close(listener);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(2, "usage: told_family SCENE ARGUMENT...");
    if (strcmp(argv[1], "leak") == 0)
        leak(argv + 2);
    if (argc < 4)
        errx(2, "usage: told_family SCENE PORT COUNT");
    if (strcmp(argv[1], "with-listener") == 0)
        with_listener(argv[2], argv + 3);
    else if (strcmp(argv[1], "uses") == 0)
        uses(argv[2], argv[3]);
    else if (strcmp(argv[1], "clients") == 0)
        be_clients(argv[2], atoi(argv[3]), argc > 4 ? argv[4] : "");
    else
        be_server(argv[1], argv[2], atoi(argv[3]), argv[4]);
    return 0;
}
