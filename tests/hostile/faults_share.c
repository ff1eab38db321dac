/* Connections that somebody else holds too: nothing may be taken from him. */
#define _GNU_SOURCE
#include "faults.h"

#include "ground/sys.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Processes ------------------------------------------------------------------------------- */

/* The child's part: it keeps what it has until the parent has closed, and finds all of it. */
static void keep(struct turns *t, int fd, const char *label)
{
    give(t->to_parent);
    wait_for(t->to_child);
    unread_is(label, fd);
    CALL("child closes", close(fd));
    _exit(0);
}

static void forks(const char *label, pid_t (*fork_it)(void))
{
    struct turns t = make_turns();
    int fd = early(0);
    pid_t child = (pid_t)CALL_ANY(label, fork_it());

    if (child == 0)
        keep(&t, fd, label);
    wait_for(t.to_parent);
    CALL("close", close(fd));
    goes_on(label, 0);
    give(t.to_child);
    reap(label, child);
    ended(label, 0);
    end_turns(&t);
}

static pid_t by_syscall(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static pid_t by_clone3(void)
{
    unsigned long long args[8] = {0, 0, 0, 0, SIGCHLD};

    return (pid_t)syscall(SYS_clone3, args, sizeof(args));
}

/* What somebody else gave up is all there, and is the reason for a reset once more. */
static void is_whole(const char *label, int slot, int fd)
{
    goes_on(label, slot);
    unread_is(label, fd);
    arrive(slot, fd, 5);
}

/* The child ends first, without having read. */
static void outlives(void)
{
    int fd = early(0);
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        CALL("child closes", close(fd));
        _exit(0);
    }
    reap("child that closes", child);
    is_whole("of the parent", 0, fd);
    CALL("close", close(fd));
    ended("of a child that closed", 0);
    fd = early(1);
    child = (pid_t)CALL_ANY("fork", fork());
    if (child == 0)
        _exit(0);
    reap("child that exits", child);
    is_whole("of the parent", 1, fd);
    CALL("close", close(fd));
    ended("of a child that exited", 1);
    fd = early(2);
    child = (pid_t)CALL_ANY("fork", fork());
    if (child == 0) {
        signal(SIGTERM, SIG_DFL);
        raise(SIGTERM);
    }
    reap("child that is killed", child);
    CALL("close", close(fd));
    ended("of a child that was killed", 2);
}

/* The child has one of its own, and one that its parent gives up. */
static void has_a_child_that_serves(void)
{
    struct turns t = make_turns();
    int fd = early(0);
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        wait_for(t.to_child);
        is_whole("of the child", 0, fd);
        CALL("child closes the last", close(fd));
        fd = early(1);
        CALL("child closes its own", close(fd));
        give(t.to_parent);
        wait_for(t.to_child);
        _exit(0);
    }
    CALL("close", close(fd));
    give(t.to_child);
    wait_for(t.to_parent);
    ended("of a child that has the last", 0);
    ended("of a child's own", 1);
    give(t.to_child);
    reap("serving child", child);
    end_turns(&t);
}

static void closes_in_vfork(void)
{
    int fd = early(0);
    pid_t child = vfork();

    if (child == 0) {
        close(fd);
        _exit(0);
    }
    reap("vfork child", child);
    goes_on("after vfork", 0);
    unread_is("after vfork", fd);
    CALL("close", close(fd));
    ended("after vfork", 0);
}

/* Sent to the peer, who then holds it. */
static void passes(void)
{
    struct request request = {PEER_HOLD, 5, 0};
    struct answer answer = {.value = -1};
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec bytes = {&request, sizeof(request)};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *c = (struct cmsghdr *)room;
    int fd = early(0);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    CALL("sendmsg", sendmsg(CONTROL, &message, 0));
    recv(CONTROL, &answer, sizeof(answer), 0);
    CALL("close", close(fd));
    goes_on("that was passed on", 0);
    say("who has it reads %ld", ask_peer(PEER_READ, 5, 0).value);
    ask_peer(PEER_END, 5, 0);
    ended("that was passed on", 0);
}

/* Comes in a message, nobody knows from where. */
static void receives(void)
{
    struct request request = {PEER_HAND, 6, 0};
    struct answer answer;
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec bytes = {&answer, sizeof(answer)};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    int fd = -1;

    ask_peer(PEER_CONNECT, 6, (int)ask_peer(PEER_PORT, 0, 0).value);
    ask_peer(PEER_ACCEPT, 0, 0);
    send(CONTROL, &request, sizeof(request), 0);
    CALL("recvmsg", recvmsg(CONTROL, &message, 0));
    memcpy(&fd, CMSG_DATA((struct cmsghdr *)room), sizeof(fd));
    arrive(0, fd, 5);
    CALL("close", close(fd));
    ended("that came in a message", 0);
}

/* A child that has closed all it had, by a raw call that no hook sees, and lives. */
static void has_a_bare_child(void)
{
    struct turns t = make_turns();
    int fd = early(0);
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        sys3(SYS_close_range, 0, ~0U, 0);
        for (;;)
            pause();
    }
    close(t.to_parent[1]);
    wait_for(t.to_parent); /* until its end of the pipe is gone too */
    t.to_parent[1] = -1;
    CALL("close", close(fd));
    ended("of a child that closed everything", 0);
    kill(child, SIGKILL);
    reap("bare child", child);
    end_turns(&t);
}

/* ---- Messages that are none of the library's ------------------------------------------------- */

/* The pair that leads to its lot, which a child inherits; -1. */
static int number_of_feed(void)
{
    for (int fd = 900; fd < 1024; fd++) {
        int domain = 0;
        int type = 0;
        socklen_t len = sizeof(int);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET)
            return fd;
    }
    return -1;
}

/* So many bytes, and so many descriptors. By a raw call: no hook sees it. */
static void send_rubbish(int number, size_t bytes, const int *fds, size_t count)
{
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(2 * sizeof(int))] = {0};
    char zeros[512] = {0};
    struct iovec part = {zeros, bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = room,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *c = (struct cmsghdr *)room;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    sys3(SYS_sendmsg, number, SYS_ARG(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A child without rights sends it what is no parcel; the lot goes on. */
static void has_a_child_that_harms(void)
{
    int fds[2] = {early(0), accepted(1)};
    pid_t child = (pid_t)CALL_ANY("fork", fork());

    if (child == 0) {
        int number = number_of_feed();

        sys3(SYS_setresuid, 65534, 65534, 65534);
        send_rubbish(number, 1, fds, 1);
        send_rubbish(number, 1, fds, 2);
        send_rubbish(number, 512, fds, 1);
        send_rubbish(number, 72, &listening, 1);
        send_rubbish(number, 72, fds + 1, 1); /* a parcel, for all that the lot can tell */
        sys1(SYS_exit_group, 0);
    }
    reap("harmful child", child);
    CALL("close", close(fds[0]));
    ended("of a harmful child", 0);
    CALL("close", close(fds[1]));
    ended("of a harmful child", 1);
}

void play_share(void)
{
    begin_listening();
    forks("fork", fork);
    has_a_bare_child();
    outlives();
    has_a_child_that_serves();
    forks("_Fork", _Fork);
    forks("syscall clone", by_syscall);
    forks("syscall clone3", by_clone3);
    closes_in_vfork();
    passes();
    receives();
    has_a_child_that_harms();
    CALL("close", close(early(0)));
    ended("after all that", 0);
    say_numbers();
}

/* ---- Threads --------------------------------------------------------------------------------- */

static _Atomic bool stop;
static _Atomic int got;
static int readers_fd;
static pthread_barrier_t met;

static void *sleep_on(void *unused)
{
    const struct timespec t = {0, 1000000};

    while (!atomic_load(&stop))
        nanosleep(&t, NULL);
    return unused;
}

static void *run_on(void *unused)
{
    while (!atomic_load(&stop))
        sched_yield();
    return unused;
}

static void *read_on(void *unused)
{
    char bytes[64];

    pthread_barrier_wait(&met);
    atomic_store(&got, (int)recv(readers_fd, bytes, sizeof(bytes), 0));
    return unused;
}

static void sleep_ms(long ms)
{
    const struct timespec t = {0, ms * 1000000};

    nanosleep(&t, NULL);
}

static void has_a_reader(void)
{
    pthread_t reader;
    int fd = accepted(0);

    readers_fd = fd;
    pthread_barrier_init(&met, NULL, 2);
    pthread_create(&reader, NULL, read_on, NULL);
    pthread_barrier_wait(&met);
    sleep_ms(5); /* until it is blocked in recv */
    CALL("close under a reader", close(fd));
    sleep_ms(150); /* longer than a peer is kept waiting for its end */
    goes_on("with a reader", 0);
    ask_peer(PEER_SEND, 0, 5);
    pthread_join(reader, NULL);
    say("the reader got %d", atomic_load(&got));
    ended("with a reader", 0);
}

static void closes_beside(const char *label, void *(*thread)(void *))
{
    pthread_t beside;
    int fd;
    int copy;

    atomic_store(&stop, false);
    pthread_create(&beside, NULL, thread, NULL);
    fd = early(0);
    CALL("close", close(fd));
    ended(label, 0);
    fd = early(0);
    copy = (int)CALL("dup", dup(fd));
    CALL("close", close(fd));
    unread_is(label, copy);
    CALL("close", close(copy));
    ended(label, 0);
    CALL("close", close(accepted(0)));
    ended("with nothing unread", 0);
    atomic_store(&stop, true);
    pthread_join(beside, NULL);
}

static void *start_program(void *unused)
{
    if (system("sleep 0.1") != 0)
        say("unable to sleep");
    return unused;
}

/* What came after the program was started, and closes when it starts another, it can't have. */
static void closes_beside_a_start(void)
{
    const struct timespec moment = {0, 40000000};
    pthread_t starter;
    int fd;

    pthread_create(&starter, NULL, start_program, NULL);
    nanosleep(&moment, NULL);
    ask_peer(PEER_CONNECT, 0, port);
    fd = (int)CALL("accept4", accept4(listening, NULL, NULL, SOCK_CLOEXEC));
    arrive(0, fd, 5);
    CALL("close", close(fd));
    ended("beside a start", 0);
    pthread_join(starter, NULL);
}

/* Where the lot that looks at threads is started in another root. */
void play_root(void)
{
    begin_listening();
    CALL("chroot", chroot("/"));
    closes_beside("in another root", sleep_on);
    say_numbers();
}

void play_threads(void)
{
    pthread_t beside;

    begin_listening();
    closes_beside("beside a sleeper", sleep_on);
    has_a_reader();
    closes_beside("beside a runner", run_on);
    closes_beside_a_start();
    atomic_store(&stop, false);
    pthread_create(&beside, NULL, run_on, NULL);
    say_numbers();
    early(1); /* left to the exit */
}
