/*
 * A door is a way of giving a connection up. Each program door_*.c knows some of them by name:
 *
 *     LIBSAFECLOSE=./libsafeclose.so SAFECLOSE_MODE=drain build/tests/door_number dup2
 *
 * It is two processes. The witness has no library in front of it; it connects, sends what is to be
 * left unread, and once the program has gone through the door reads to the end. The program is the
 * same executable started anew, with $LIBSAFECLOSE in front of it, or with nothing where that is
 * not set. Both are alone in a network namespace, so the kernel's counters are exact.
 *
 * They share a page of memory and no descriptor, so a door may close all there are, and a program
 * under a seccomp filter can still say what it saw. Neither sleeps: each step of one is a flag that
 * the other waits for.
 *
 * What is printed are lines of key=value. A key that begins with ~ differs from run to run.
 */
#ifndef SAFECLOSE_TESTS_DOOR_H
#define SAFECLOSE_TESTS_DOOR_H

#include "listed.h"
#include "door_calls.h"
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    DOOR_MOST = 300, /* connections */
    DOOR_KEPT = 77,  /* in errno before a call that must not touch it (EBADFD: no call gives it) */
    DOOR_WIRE = 60,  /* where the program finds the shared page; closed at once */
    DOOR_TIME = 30000, /* milliseconds that the program may take, on a machine that is busy */
};

struct door_wire {
    _Atomic int port;         /* where the program listens */
    _Atomic int ready;        /* all connected, and all data arrived */
    _Atomic int through;      /* the program has passed the door, and lives */
    _Atomic int heard;        /* the witness has read to the end */
    _Atomic int turn;         /* for an act's own processes */
    _Atomic int failed;       /* the program could not do its part */
    _Atomic int used;         /* of what was said */
    _Atomic int witness_port; /* where the witness listens */
    char said[65536];
};

/* The settings of a run, which the program gets through its environment. */
struct door {
    int count;       /* connections */
    int unread;      /* bytes in each */
    int connects;    /* the program opens them */
    int nonblocking; /* its connect returns before there is a connection */
    int cloexec;     /* close-on-exec */
    int inetd;       /* the program inherits one as 0, 1 and 2 */
    int inherited;   /* the program inherits one as this number, -1 for none */
    struct door_wire *wire;
    int fds[DOOR_MOST]; /* in the program */
    int fd;             /* the first of them */
};

static struct door door = {.count = 1, .unread = 1024, .inherited = -1, .fd = -1};

/* What a program can play; written before main() only. An act is called with the connections open and
 * their data unread; it may end the process. An act that is alone makes what it needs itself. */
static struct act {
    const char *name;
    void (*act)(void);
    bool alone;
} door_acts[64];

/* The head of an act. */
#define ACT_LISTED(function, name, alone)                                                          \
    static void function(void);                                                                    \
    LISTED(struct act, door_acts, name, function, alone)                                           \
    static void function(void)

#define ACT(function, name) ACT_LISTED(function, name, false)
#define ACT_ALONE(function, name) ACT_LISTED(function, name, true)

/* ---- Saying and waiting --------------------------------------------------------------------------- */

/* No lock and no call: a child that runs in its parent's memory says things too. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
    char line[4096];
    va_list args;
    int size, at;

    va_start(args, format);
    size = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (size > (int)sizeof line - 2)
        size = sizeof line - 2;
    line[size++] = '\n';
    at = atomic_fetch_add(&door.wire->used, size);
    if (at + size <= (int)sizeof door.wire->said)
        memcpy(door.wire->said + at, line, (size_t)size);
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void cannot(const char *format, ...)
{
    int error = errno;
    va_list args;

    if (door.wire)
        atomic_store(&door.wire->failed, 1);
    fputs("door: unable to ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, ": %s\n", strerror(error));
    _exit(99);
}

static inline const char *errno_text(int error)
{
    return error == DOOR_KEPT ? "kept" : error ? strerrorname_np(error) : "0";
}

/* CALL(...) says what a call returned, and errno after it. */
#define CALL(name, call)                                                                           \
    do {                                                                                           \
        errno = DOOR_KEPT;                                                                         \
        long call_result = (long)(call);                                                           \
        say("%s=%ld %s", name, call_result, errno_text(errno));                                    \
    } while (0)

static inline void wait_flag(_Atomic int *flag, const char *what)
{
    int64_t end = net_now_ms() + DOOR_TIME;

    while (!atomic_load(flag)) {
        errno = ETIMEDOUT;
        if (net_now_ms() > end)
            cannot("wait for %s", what);
        usleep(100); /* leaves the processor to the one who is waited for */
    }
}

/* The door is behind us: let the witness see what came of it before the process ends. */
static inline void through(void)
{
    atomic_store(&door.wire->through, 1);
    wait_flag(&door.wire->heard, "the witness");
}

static inline void join(pid_t child, const char *name)
{
    int status = 0;

    if (child < 0 || waitpid(child, &status, 0) != child)
        cannot("wait for a child");
    say("%s=%d", name, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- The program's connections -------------------------------------------------------------------- */

static inline int make_socket(void)
{
    int type = SOCK_STREAM | (door.cloexec ? SOCK_CLOEXEC : 0);
    int fd = (int)by_socket(AF_INET, type | (door.nonblocking ? SOCK_NONBLOCK : 0), 0);

    if (fd < 0)
        cannot("make a socket");
    return fd;
}

static inline void start_listening(int listener)
{
    struct sockaddr_in address = net_loopback(0);

    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        by_listen(listener, DOOR_MOST) != 0)
        cannot("listen");
    atomic_store(&door.wire->port, net_port(listener));
}

static inline int take_connection(int listener)
{
    int flags = door.cloexec ? SOCK_CLOEXEC : 0;
    int fd = (int)by_accept4(listener, NULL, NULL, flags);

    if (fd < 0)
        cannot("accept");
    return fd;
}

static inline int open_connection(void)
{
    struct sockaddr_in address = net_loopback(atomic_load(&door.wire->witness_port));
    int fd = make_socket();

    long ret = by_connect(fd, (struct sockaddr *)&address, sizeof address);

    if (door.nonblocking ? ret == 0 || errno != EINPROGRESS : ret != 0)
        cannot("connect");
    return fd;
}

static inline void await_data(void)
{
    wait_flag(&door.wire->ready, "the peer");
    for (int i = 0; i < door.count; i++)
        if (!net_wait_for(net_unread, door.fds[i], door.unread))
            cannot("get the peer's data");
    door.fd = door.fds[0];
    say("fd=%d", door.fd);
}

/* All that a listening socket, prepared by the caller, has to give. It is closed. */
static inline void take_all(int listener)
{
    for (int i = 0; i < door.count; i++)
        door.fds[i] = take_connection(listener);
    close(listener);
    await_data();
}

static inline void make_connections(void)
{
    if (door.count == 0)
        return;
    if (door.inherited >= 0) {
        door.fds[0] = door.inherited;
        await_data();
    } else if (door.connects) {
        wait_flag(&door.wire->witness_port, "the witness's port");
        for (int i = 0; i < door.count; i++)
            door.fds[i] = open_connection();
        await_data();
    } else {
        int listener = make_socket();
        start_listening(listener);
        take_all(listener);
    }
}

static inline int program_main(const char *name)
{
    int numbers;

    sscanf(getenv("DOOR"), "%d %d %d %d %d %d %d %d", &door.count, &door.unread, &door.connects,
           &door.nonblocking, &numbers, &door.cloexec, &door.inetd, &door.inherited);
    calls_by_number = numbers;
    door.wire = mmap(NULL, sizeof *door.wire, PROT_READ | PROT_WRITE, MAP_SHARED, DOOR_WIRE, 0);
    if (door.wire == MAP_FAILED)
        cannot("map the wire");
    close(DOOR_WIRE);
    for (struct act *act = door_acts; act->name; act++) {
        if (strcmp(act->name, name) == 0) {
            if (!act->alone)
                make_connections();
            act->act();
            return 0;
        }
    }
    errno = EINVAL;
    cannot("find act \"%s\"", name);
}

/* ---- The witness ---------------------------------------------------------------------------------- */

struct peer {
    int fd;
    char ours[64]; /* the program's address */
    char its[64];
    long bytes;
    int error;     /* what ended its reading, as in struct net_end */
    int pending;   /* SO_ERROR after that */
    char text[64]; /* what it read first */
};

static struct peer peers[DOOR_MOST];
static const char *door_before, *door_behind; /* preloaded in front of the library, and behind it */
static const char *door_trace;                /* where strace writes */
static int door_untraced;                     /* the kernel's reasons are not asked for: quicker */
static int door_given = -1;                   /* the connection that the program inherits */

/* "before:library:behind", without what there isn't; "" for none at all. */
static inline const char *preload(void)
{
    static char list[3 * 4096];
    const char *const libraries[] = {door_before, getenv("LIBSAFECLOSE"), door_behind};

    for (size_t i = 0; i < 3; i++)
        if (libraries[i] && *libraries[i])
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ":" : "",
                     libraries[i]);
    return list;
}

/* Nothing is open in a program but what it is to have. */
static inline void hand_over(int memory)
{
    int given = door_given < 0 ? -1 : fcntl(door_given, F_DUPFD, DOOR_WIRE + 1);

    if (dup2(memory, DOOR_WIRE) < 0)
        cannot("hand the wire over");
    close_range(3, DOOR_WIRE - 1, 0);
    for (int fd = 0; door.inetd && fd < 3; fd++)
        dup2(given, fd);
    if (door.inherited >= 0)
        dup2(given, door.inherited);
    close_range(DOOR_WIRE + (door.inetd ? 0 : 1), ~0U, 0);
}

/* COMMAND is what an inetd starts, else the name of an act. */
static inline void become_program(char **command, int memory)
{
    char settings[128], itself[4096] = "";
    const char *list = preload();
    char *act[] = {itself, (char *)"--program", command[0], NULL};
    char environment[4200];
    char *traced[] = {(char *)"strace", (char *)"-f", (char *)"-o", (char *)door_trace,
                      (char *)"-E",     environment,  itself,       (char *)"--program",
                      command[0],       NULL};

    if (readlink("/proc/self/exe", itself, sizeof itself - 1) < 0)
        cannot("find this executable");
    hand_over(memory);
    snprintf(settings, sizeof settings, "%d %d %d %d %d %d %d %d", door.count, door.unread,
             door.connects, door.nonblocking, calls_by_number, door.cloexec, door.inetd,
             door.inherited);
    setenv("DOOR", settings, 1);
    snprintf(environment, sizeof environment, "LD_PRELOAD=%s", list);
    if (*list && !door_trace)
        setenv("LD_PRELOAD", list, 1);
    if (door.inetd)
        execvp(command[0], command);
    else if (door_trace)
        execvp(traced[0], traced);
    else
        execv(itself, act);
    _exit(127);
}

static inline void send_unread(struct peer *peer, int fd)
{
    static const char block[65536];

    peer->fd = fd;
    if (fd < 0 || net_name(fd, true, peer->ours) != 0 || net_name(fd, false, peer->its) != 0)
        cannot("have a connection");
    if (send(fd, block, (size_t)door.unread, MSG_NOSIGNAL) != door.unread ||
        !net_wait_for(net_unacked, fd, 0))
        cannot("send %d bytes", door.unread);
}

static inline void meet_by_connecting(void)
{
    struct sockaddr_in address;

    wait_flag(&door.wire->port, "the program's port");
    address = net_loopback(atomic_load(&door.wire->port));
    for (int i = 0; i < door.count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
            cannot("connect");
        send_unread(&peers[i], fd);
    }
}

static inline void meet_by_accepting(void)
{
    int listener = net_listen(NULL, DOOR_MOST);

    atomic_store(&door.wire->witness_port, net_port(listener));
    for (int i = 0; i < door.count; i++)
        send_unread(&peers[i], net_accept(listener));
    close(listener);
}

static inline void meet_before(void)
{
    struct net_pair pair;

    if (net_pair_open(&pair, NULL) != 0)
        cannot("make a pair");
    close(pair.listener);
    send_unread(&peers[0], pair.peer);
    door_given = pair.ours;
}

static inline void read_to_end(struct peer *peer)
{
    struct timeval limit = {.tv_sec = 10};
    socklen_t size = sizeof peer->pending;
    char block[16384];
    ssize_t got;

    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    while ((got = recv(peer->fd, block, sizeof block, 0)) > 0) {
        for (long i = 0; i < got && peer->bytes + i < (long)sizeof peer->text - 1; i++)
            peer->text[peer->bytes + i] = block[i] < ' ' ? '.' : block[i];
        peer->bytes += got;
    }
    peer->error = got == 0 ? 0 : errno == EAGAIN ? ETIMEDOUT : errno;
    getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &peer->pending, &size);
}

static inline bool has_ended(pid_t program)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)program, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

static inline void await_door(pid_t program)
{
    int64_t end = net_now_ms() + DOOR_TIME;

    while (!atomic_load(&door.wire->through) && !has_ended(program)) {
        if (net_now_ms() > end) {
            kill(program, SIGKILL);
            errno = ETIMEDOUT;
            cannot("see the program pass the door");
        }
        usleep(100);
    }
}

static inline void say_peers(void)
{
    int eof = 0, reset = 0;

    for (int i = 0; i < door.count; i++) {
        struct peer *peer = &peers[i];

        eof += peer->error == 0 && peer->pending == 0;
        reset += peer->error == ECONNRESET;
    }
    if (door.count == 1) {
        say("peer_bytes=%ld", peers[0].bytes);
        say("peer_text=%s", peers[0].text);
        say("peer_end=%s", net_end_text(peers[0].error));
        say("peer_pending=%s", errno_text(peers[0].pending));
        say("~ours=%s", peers[0].ours);
        say("~peer=%s", peers[0].its);
    }
    say("peers_eof=%d", eof);
    say("peers_reset=%d", reset);
}

/* Only of a few: the trace's buffer holds some hundred lines. */
static inline void say_reasons(void)
{
    enum { FEW = 8 };
    char all[512] = "";
    const char *reason;

    for (int i = 0; i < door.count && door.count <= FEW; i++)
        while ((reason = net_trace_reason(peers[i].ours, peers[i].its)) && *reason)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? " " : "", reason);
    say("~reason=%s", all);
}

static inline void say_kernel(struct net_resets before)
{
    struct net_resets r = net_resets_since(before);
    int ours = atomic_load(&door.wire->port), its = atomic_load(&door.wire->witness_port);
    long answers = 0;

    if (ours || its)
        answers = net_resets_answers(r.sent, its, its ? 0 : ours);
    say("resets=%ld", r.sent - answers);
    say("~answers=%ld", answers);
    say("on_close=%ld", r.on_close);
    say("on_data=%ld", r.on_data);
    say("on_linger=%ld", r.on_linger);
}

/* What the program, if it lives, gives up after the witness has read to the end shows in the
 * counters; the peers close last, and nothing of theirs is unread. */
static inline void watch(char **command, bool meets)
{
    const char *no_trace = door_untraced ? "not asked for" : net_trace_start();
    struct net_resets before = net_resets_now();
    int memory = memfd_create("wire", MFD_CLOEXEC);
    pid_t program;

    if (ftruncate(memory, sizeof *door.wire) != 0 ||
        (door.wire = mmap(NULL, sizeof *door.wire, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
                          0)) == MAP_FAILED)
        cannot("make a wire");
    say("~trace=%s", no_trace ? no_trace : "");
    if (door.inetd || door.inherited >= 0)
        meet_before();
    fflush(NULL);
    program = fork();
    if (program == 0)
        become_program(command, memory);
    net_resets_note();
    say("~pid=%d", program);
    if (door_given >= 0)
        close(door_given);
    else if (meets && door.connects)
        meet_by_accepting();
    else if (meets)
        meet_by_connecting();
    atomic_store(&door.wire->ready, 1);
    await_door(program);
    for (int i = 0; meets && i < door.count; i++)
        read_to_end(&peers[i]);
    atomic_store(&door.wire->heard, 1);
    atomic_store(&door.wire->through, 0);
    await_door(program);
    join(program, "exit");
    errno = ECANCELED;
    if (atomic_load(&door.wire->failed))
        cannot("go on: the program gave up");
    if (meets)
        say_peers();
    say_reasons();
    say_kernel(before);
    fwrite(door.wire->said, 1, (size_t)atomic_load(&door.wire->used), stdout);
    net_trace_stop();
}

/* door [OPTION...] ACT, or with --inetd a command. An act without connections: --count 0. */
static inline int door_main(int argc, char **argv)
{
    static const struct option table[] = {
        {"cloexec", no_argument, &door.cloexec, 1},
        {"connects", no_argument, &door.connects, 1},
        {"inetd", no_argument, &door.inetd, 1},
        {"syscall", no_argument, NULL, 'n'},
        {"nonblocking", no_argument, &door.nonblocking, 1},
        {"untraced", no_argument, &door_untraced, 1},
        {"before", required_argument, NULL, 'b'},
        {"behind", required_argument, NULL, 'a'},
        {"count", required_argument, NULL, 'c'},
        {"inherited", required_argument, NULL, 'i'},
        {"strace", required_argument, NULL, 's'},
        {"unread", required_argument, NULL, 'u'},
        {NULL, 0, NULL, 0},
    };
    int option;

    if (argc == 3 && strcmp(argv[1], "--program") == 0)
        return program_main(argv[2]);
    while ((option = getopt_long(argc, argv, "+", table, NULL)) != -1) {
        switch (option) {
        case 'a':
            door_behind = optarg;
            break;
        case 'b':
            door_before = optarg;
            break;
        case 'c':
            door.count = atoi(optarg);
            break;
        case 'i':
            door.inherited = atoi(optarg);
            break;
        case 'n':
            calls_by_number = true;
            break;
        case 's':
            door_trace = optarg;
            break;
        case 'u':
            door.unread = atoi(optarg);
            break;
        case '?':
            return 2;
        }
    }
    errno = EINVAL;
    if (!argv[optind])
        cannot("do nothing");
    if (net_enter_namespace() != 0)
        cannot("enter a network namespace");
    watch(argv + optind, door.count > 0);
    return 0;
}

#endif
