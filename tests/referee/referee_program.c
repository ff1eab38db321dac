/* The program's side: the only one that ever has the library in front. */
#define _GNU_SOURCE
#include "referee.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, OTHER_ADDRESS = 127 << 24 | 255 << 16 | 1 };

/* What a program has; set by its main thread. */
static struct {
    struct scenario scenario;
    int listener;
    int fd;   /* what is given up */
    int copy; /* another number for it, -1 */
    int flight[2];
    FILE *stream;
    pid_t child;
    pthread_t thread;
    _Atomic int tid; /* by the thread */
    _Atomic bool stops;
    long waits_in; /* the system call that it is going to wait in, 0: none */
    int other[3];  /* another connection: its listener and its ends */
    int got;       /* by the thread, before it ends */
    bool garbled;  /* likewise */
    uint32_t thread_at;
} program;

static void die(const char *what)
{
    fprintf(stderr, "referee: the program is unable to %s: %s\n", what, strerror(errno));
    _exit(3);
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* What fails where we are not root can't be played there. */
static void drop(bool late)
{
    const struct scenario *s = &program.scenario;

    if (s->drop == DROP_NOTHING || s->drop_late != late)
        return;
    if (s->drop == DROP_ROOT) {
        if (chroot(getenv("REFEREE_JAIL")) == 0 && chdir("/") != 0)
            die("change the directory");
    } else if (setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
}

static void open_connection(const struct command *command, struct reply *reply)
{
    const struct scenario *s = &program.scenario;

    /* Its stream is there first: what popen leaves open in a child is out of the library's sight.
     */
    if (s->door == DOOR_PCLOSE && !(program.stream = popen("true", "re")))
        die("popen");
    drop(false);
    if (s->we_connect) {
        program.fd = wire_socket(s, true);
        if (program.fd < 0 || wire_connect(program.fd, &command->address) != 0)
            die("connect");
        drop(true);
        return;
    }
    program.listener = wire_listen(s, true, &command->address);
    if (program.listener < 0)
        die("listen");
    reply->result = net_port(program.listener);
    if (s->listening) {
        program.fd = program.listener;
        drop(true);
    }
}

static void accept_connection(void)
{
    int yes = 1;

    program.fd = accept(program.listener, NULL, NULL);
    if (program.fd < 0)
        die("accept");
    setsockopt(program.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (!program.scenario.keeps_listener) {
        close(program.listener);
        program.listener = -1;
    }
    drop(true);
}

/* ---- Other holders --------------------------------------------------------------------------- */

static void answer(int channel, const struct reply *reply)
{
    if (send(channel, reply, sizeof *reply, MSG_NOSIGNAL) != sizeof *reply)
        _exit(4);
}

static bool next_command(int channel, struct command *command)
{
    return read(channel, command, sizeof *command) == sizeof *command;
}

/* Another process: holds the connection, and does as it is told. */
_Noreturn static void be_holder(void)
{
    struct command command;

    while (next_command(HOLDER_CONTROL, &command)) {
        struct reply reply = {.op = command.op, .fd = program.fd, .pid = getpid()};

        switch (command.op) {
        case OP_HOLDER_READS:
            reply.result = stream_recv(program.fd, command.at, command.size, 0, &reply.garbled);
            break;
        case OP_HOLDER_GIVES_UP:
            if (program.scenario.holder_exits)
                _exit(0);
            reply.result = close(program.fd);
            break;
        case OP_END:
            _exit(0);
        default:
            break;
        }
        sample_take(program.fd, &reply.sample);
        answer(HOLDER_CONTROL, &reply);
    }
    _exit(0);
}

int holder_main(int fd, bool exits)
{
    signal(SIGPIPE, SIG_IGN);
    stream_prepare();
    program.fd = fd;
    program.scenario.holder_exits = exits;
    be_holder();
}

/* Says that it is there by the first sample that it answers with. */
_Noreturn static void become_another(void)
{
    char fd[16];

    snprintf(fd, sizeof fd, "%d", program.fd);
    fcntl(program.fd, F_SETFD, 0);
    fcntl(HOLDER_CONTROL, F_SETFD, 0);
    unsetenv("LD_PRELOAD");
    execl(getenv("REFEREE_PATH"), "referee", "--holder", fd,
          program.scenario.holder_exits ? "1" : "0", (char *)NULL);
    _exit(3);
}

static void fork_holder(void)
{
    fflush(NULL);
    program.child = fork();
    if (program.child < 0)
        die("fork");
    if (program.child > 0)
        return;
    if (program.scenario.holder == HOLD_FORK)
        be_holder();
    if (program.scenario.holder == HOLD_EXEC)
        become_another();
    if (program.scenario.holder == HOLD_FORK_ENDED)
        _exit(0);
    for (;;)
        pause();
}

/* The threads: each says who it is, and waits. */

static void *thread_receives_other(void *unused)
{
    char byte;

    (void)unused;
    program.tid = gettid();
    return recv(program.other[2], &byte, 1, 0) == 1 ? unused : NULL;
}

/* Not the library's own: each would be a process more that it has to know. */
static void *thread_spawns(void *unused)
{
    char *argv[] = {"true", NULL}, *environment[] = {NULL};
    pid_t child;

    (void)unused;
    for (program.tid = gettid(); !program.stops;)
        if (posix_spawn(&child, "/bin/true", NULL, NULL, argv, environment) == 0)
            waitpid(child, NULL, 0);
    return NULL;
}

/* To an address that no scenario has. */
static void open_other(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(OTHER_ADDRESS)};
    socklen_t size = sizeof name;

    program.other[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    program.other[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(program.other[0], (struct sockaddr *)&name, size) != 0 ||
        listen(program.other[0], 1) != 0 ||
        getsockname(program.other[0], (struct sockaddr *)&name, &size) != 0 ||
        connect(program.other[1], (struct sockaddr *)&name, size) != 0)
        die("open another connection");
    program.other[2] = accept(program.other[0], NULL, NULL);
}

static void *thread_receives(void *unused)
{
    unsigned char byte[1024];
    ssize_t n;

    (void)unused;
    program.tid = gettid();
    n = recv(program.fd, byte, sizeof byte, 0);
    for (ssize_t i = 0; i < n; i++)
        program.garbled |= byte[i] != stream_byte(program.thread_at + (uint32_t)i);
    program.got = (int)n;
    return NULL;
}

static void *thread_peeks(void *unused)
{
    static char room[1 << 20];

    (void)unused;
    program.tid = gettid();
    program.got = (int)recv(program.fd, room, sizeof room, MSG_PEEK | MSG_WAITALL);
    return NULL;
}

enum { MUCH = 1 << 20 };

static void *thread_sends(void *unused)
{
    static unsigned char much[MUCH];

    (void)unused;
    for (uint32_t i = 0; i < MUCH; i++)
        much[i] = stream_byte(program.thread_at + i);
    program.tid = gettid();
    program.got = (int)send(program.fd, much, MUCH, MSG_NOSIGNAL);
    return NULL;
}

static void *thread_computes(void *unused)
{
    (void)unused;
    for (program.tid = gettid();;)
        ;
    return NULL;
}

static void *thread_polls_by_epoll(void *unused)
{
    struct epoll_event event = {.events = EPOLLPRI | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    (void)unused;
    /* Edge-triggered, and asked once already: only something new would wake it. */
    epoll_ctl(epoll, EPOLL_CTL_ADD, program.fd, &event);
    epoll_wait(epoll, &event, 1, 0);
    program.tid = gettid();
    while (syscall(SYS_epoll_pwait, epoll, &event, 1, -1, NULL, 0) > 0)
        ; /* the connection's end, perhaps, which it was too early to see */
    return NULL;
}

static void *thread_polls(void *unused)
{
    struct pollfd waiting = {.fd = program.fd, .events = POLLIN};

    (void)unused;
    program.tid = gettid();
    syscall(SYS_ppoll, &waiting, 1, NULL, NULL, 0);
    return NULL;
}

static void *thread_selects(void *unused)
{
    (void)unused;
    program.tid = gettid();
    syscall(SYS_pselect6, program.fd, NULL, NULL, NULL, NULL, NULL);
    return NULL;
}

static bool has_tid(void *unused)
{
    (void)unused;
    return program.tid != 0;
}

/* Starts a thread and returns when it runs; it is going to sleep in system call NUMBER, 0: in none.
 * A child of popen may end meanwhile. Its SIGCHLD is ignored, but not while pthread_create blocks
 * all signals: then it comes when they are let in again, and a call that the new thread is in
 * returns with what it has. */
static int start_thread(void *(*body)(void *), long number)
{
    sigset_t child, before;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child, &before);
    if (pthread_create(&program.thread, NULL, body, NULL) != 0)
        die("start a thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!net_wait_until(has_tid, NULL))
        return -1;
    program.waits_in = number;
    return 0;
}

/* Onto any processor: a thread that computes would keep the peer from its own. */
static void move_out(void)
{
    cpu_set_t all;

    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
}

static int hold(void)
{
    switch (program.scenario.holder) {
    case HOLD_DUP:
        program.copy = dup(program.fd);
        break;
    case HOLD_DUP_CLOSED:
        close(fcntl(program.fd, F_DUPFD_CLOEXEC, 0));
        break;
    case HOLD_FORK:
    case HOLD_EXEC:
        fork_holder();
        break;
    case HOLD_FORK_ENDED:
        fork_holder();
        waitpid(program.child, NULL, 0);
        break;
    case HOLD_FORK_KILLED:
        fork_holder();
        kill(program.child, SIGKILL);
        waitpid(program.child, NULL, 0);
        break;
    case HOLD_FLIGHT:
    case HOLD_DELIVERED:
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, program.flight) != 0)
            die("make a socket pair");
        if (!net_send_descriptor(program.flight[0], program.fd, 0))
            die("send a descriptor");
        if (program.scenario.holder == HOLD_DELIVERED)
            program.copy = net_receive_descriptor(program.flight[1], 0);
        break;
    case HOLD_SPAWNER:
        move_out();
        return start_thread(thread_spawns, 0);
    case HOLD_OTHER:
        open_other();
        return start_thread(thread_receives_other, SYS_recvfrom);
    case HOLD_READER:
        return start_thread(thread_receives, SYS_recvfrom);
    case HOLD_PEEKER:
        return start_thread(thread_peeks, SYS_recvfrom);
    case HOLD_WRITER:
        return start_thread(thread_sends, SYS_sendto);
    case HOLD_BUSY:
        move_out();
        return start_thread(thread_computes, 0);
    case HOLD_EPOLL:
        return start_thread(thread_polls_by_epoll, SYS_epoll_pwait);
    case HOLD_POLL:
        return start_thread(thread_polls, SYS_ppoll);
    case HOLD_SELECT:
        return start_thread(thread_selects, SYS_pselect6);
    default:
        break;
    }
    return 0;
}

/* ---- The doors ------------------------------------------------------------------------------- */

/* What takes the place of the connection; not close-on-exec, as a redirection would be. */
static int something_else(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        die("open /dev/null");
    return fd;
}

/* The number is in a stream's hands from now on. */
static void make_stream(void)
{
    if (program.scenario.door == DOOR_PCLOSE) {
        int number = fileno(program.stream);
        dup2(program.fd, number);
        close(program.fd);
        program.fd = number;
        return;
    }
    if (program.scenario.door == DOOR_FCLOSE || program.scenario.door == DOOR_FREOPEN)
        program.stream = fdopen(program.fd, "r+");
}

static int leave_by_syscall(int fd)
{
    int other;

    switch (program.scenario.variant) {
    case 0:
        return (int)syscall(SYS_close, fd);
    case 1:
        other = something_else();
        return syscall(SYS_dup3, other, fd, O_CLOEXEC) == fd ? 0 : -1;
    case 2:
        return (int)syscall(SYS_close_range, fd, fd, 0);
    default:
        return (int)syscall(SYS_exit_group, 0);
    }
}

/* Put into the buffer beforehand: the connection is asked about while it is there. */
static void write_text(uint32_t at)
{
    for (int i = 0; i < program.scenario.text; i++)
        putc(stream_byte(at + (uint32_t)i), program.stream);
}

/* Returns only where the program goes on. */
static int give_up(const struct command *command)
{
    int fd = program.fd;
    int other;

    switch (program.scenario.door) {
    case DOOR_CLOSE:
        return close(fd);
    case DOOR_FCLOSE:
        if (command->size)
            write_text(command->at);
        return fclose(program.stream);
    case DOOR_PCLOSE:
        return pclose(program.stream);
    case DOOR_FREOPEN:
        return freopen("/dev/null", "r+", program.stream) ? 0 : -1;
    case DOOR_DUP2:
        other = something_else();
        return dup2(other, fd) == fd ? 0 : -1;
    case DOOR_DUP3:
        other = something_else();
        return dup3(other, fd, O_CLOEXEC) == fd ? 0 : -1;
    case DOOR_CLOSE_RANGE:
        return close_range((unsigned)fd, (unsigned)fd, 0);
    case DOOR_CLOSEFROM:
        closefrom(fd);
        return 0;
    case DOOR_SYSCALL:
        return leave_by_syscall(fd);
    case DOOR_EXIT_GROUP: /* as a variant of the system calls */
        break;
    case DOOR_EXIT:
        exit(0);
    case DOOR_QUICK_EXIT:
        quick_exit(0);
    case DOOR_EXIT_NOW:
        _exit(0);
    case DOOR_EXIT_C99:
        _Exit(0);
    case DOOR_COUNT:
        break;
    }
    return -1;
}

/* ---- Doing as told --------------------------------------------------------------------------- */

static int set_linger(uint32_t seconds)
{
    struct linger linger = {seconds != LINGER_OFF, seconds != LINGER_OFF ? (int)seconds : 0};

    return setsockopt(program.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static int set_int(int level, int option, int value)
{
    return setsockopt(program.fd, level, option, &value, sizeof value);
}

static int holder_reads(const struct command *command, bool *garbled)
{
    if (program.copy >= 0)
        return stream_recv(program.fd, command->at, command->size, 0, garbled);
    pthread_join(program.thread, NULL);
    *garbled = program.garbled;
    return program.got;
}

static int do_step(const struct command *c, struct reply *reply)
{
    switch (c->op) {
    case OP_WRITES:
        return stream_send(program.fd, c->at, c->size, 0);
    case OP_READS:
    case OP_READS_ALL:
        return stream_recv(program.fd, c->at, c->size, 0, &reply->garbled);
    case OP_PEEKS:
        return stream_recv(program.fd, c->at, c->size, MSG_PEEK, &reply->garbled);
    case OP_TAKES_URGENT:
        return stream_recv(program.fd, c->at, 1, MSG_OOB, &reply->garbled);
    case OP_PEEKS_URGENT:
        return stream_recv(program.fd, c->at, 1, MSG_OOB | MSG_PEEK, &reply->garbled);
    case OP_INLINE:
        return set_int(SOL_SOCKET, SO_OOBINLINE, (int)c->size);
    case OP_SHUTS:
        return shutdown(program.fd, (int)c->size);
    case OP_SHUTS_LOST:
        return shutdown(program.fd, SHUT_WR);
    case OP_LINGERS:
        return set_linger(c->size);
    case OP_LINGER2:
        return set_int(IPPROTO_TCP, TCP_LINGER2, -1);
    case OP_OPEN:
        open_connection(c, reply);
        return reply->result;
    case OP_ACCEPT:
        accept_connection();
        return 0;
    case OP_HOLD:
        program.thread_at = c->at;
        return hold();
    case OP_HOLDER_READS:
        return holder_reads(c, &reply->garbled);
    case OP_HOLDER_GIVES_UP:
        return close(program.fd);
    default:
        return 0;
    }
}

/* OP_SAMPLE with a size tells the program to get ready for its door. */
static void serve(void)
{
    struct command command;

    while (next_command(CONTROL, &command)) {
        struct reply reply = {.op = command.op, .pid = getpid()};

        if (command.op == OP_END) {
            program.stops = true;
            if (program.scenario.holder == HOLD_SPAWNER && program.tid)
                pthread_join(program.thread, NULL);
            _exit(0);
        }
        if (command.op == OP_GIVE_UP) {
            if (program.scenario.door == DOOR_EXIT && program.scenario.variant < 2)
                return;
            reply.result = give_up(&command);
            reply.error = errno;
            program.fd = program.copy; /* what is left to speak of */
            answer(CONTROL, &reply);
            continue;
        }
        if (command.op == OP_SAMPLE && command.size)
            make_stream();
        errno = 0;
        reply.result = do_step(&command, &reply);
        reply.error = errno;
        reply.fd = command.op == OP_HOLD ? program.copy : program.fd;
        if (command.op == OP_HOLD) {
            reply.tid = program.tid;
            reply.number = program.waits_in;
        }
        if (command.op == OP_HOLD && is_process(program.scenario.holder))
            reply.pid = program.child;
        sample_take(program.fd, &reply.sample);
        answer(CONTROL, &reply);
    }
    _exit(0);
}

/* ---- The template ---------------------------------------------------------------------------- */

/* True in the child, which has come to the end of its main. */
static bool play(void)
{
    struct reply reply = {.op = OP_ENDED};
    pid_t child = fork();

    if (child < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve();
        return true;
    }
    while (waitpid(child, &reply.result, 0) < 0 && errno == EINTR)
        ;
    answer(CONTROL, &reply);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return false;
}

int program_main(void)
{
    ssize_t n;

    signal(SIGPIPE, SIG_IGN);
    stream_prepare();
    /* A program's fork child that outlives it is nobody's but ours. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    program.copy = program.listener = -1;
    while ((n = read(CONTROL, &program.scenario, sizeof program.scenario)) ==
           sizeof program.scenario)
        if (play())
            return 0;
    return n == 0 ? 0 : 1;
}
