/*
 * Somebody else who holds the program's connection: a duplicate, a stream, a child, a program that
 * was started, whoever it was passed to, a thread in the middle of a call. The program closes its
 * own number while something is unread, and then lets the other one read that and answer: had the
 * close taken a byte or ended the connection, the peer would miss it.
 */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads so many bytes and sends them back, as long as they are the right ones. */
static const char *echo(int from, int to, long size)
{
    long got;
    bool right;

    if (scene_read(from, 0, size, &got, &right) != 0 || got != size)
        return "too short";
    if (!right)
        return "wrong";
    return scene_write(to, 0, size) == 0 ? "right" : "cut off";
}

/* ---- Another number in this process ---------------------------------------------------------------- */

static int number = -1; /* -1: it is somebody else */

VERB(do_dup, how, "shares by")
{
    enum { TARGET = 20 };
    int fd = program_connection();

    if (strcmp(how, "dup") == 0)
        number = dup(fd);
    else if (strcmp(how, "dup2") == 0)
        number = dup2(fd, TARGET);
    else if (strcmp(how, "dup3") == 0)
        number = dup3(fd, TARGET, O_CLOEXEC);
    else if (strcmp(how, "fcntl") == 0)
        number = fcntl(fd, F_DUPFD_CLOEXEC, TARGET);
    if (number < 0)
        scene_fail("share by %s", how);
}

VERB(do_linger_on_duplicate, seconds, "lingers on the duplicate")
{
    struct linger linger = {.l_onoff = 1, .l_linger = scene_number(seconds)};

    if (setsockopt(number, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) != 0)
        scene_fail("set SO_LINGER");
}

VERB(do_close_duplicate, rest, "closes the duplicate")
{
    program_says_closed("duplicate_close", program_close(number));
}

/* The program's number becomes that of a stream to write to, beside one on a duplicate to read
 * from. */
VERB(do_dup_for_stream, rest, "shares with a stream")
{
    FILE *in = fdopen(dup(program_connection()), "r");

    if (!in)
        scene_fail("open a stream");
    number = fileno(in);
}

static int in_flight[2];

VERB(do_send_into_flight, rest, "sends it into flight")
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in_flight) != 0)
        scene_fail("make a socket pair");
    if (!net_send_descriptor(in_flight[0], program_connection(), 0))
        scene_fail("pass a descriptor");
}

VERB(do_land, rest, "has it land")
{
    number = net_receive_descriptor(in_flight[1], MSG_CMSG_CLOEXEC);
}

/* ---- Another process ------------------------------------------------------------------------------- */

static int holder; /* the wire to it: how much to echo goes there, how it went comes back */

/* A child's whole life: with the connection that it inherited, or else one that it is sent. */
static _Noreturn void hold(int wire, int fd)
{
    long size;

    close(holder);
    if (fd < 0) {
        fd = net_receive_descriptor(wire, MSG_CMSG_CLOEXEC);
        send(wire, "", 1, MSG_NOSIGNAL);
    }
    if (recv(wire, &size, sizeof size, 0) == sizeof size) {
        const char *how = echo(fd, fd, size);
        close(fd);
        send(wire, how, strlen(how), MSG_NOSIGNAL);
    }
    _exit(0);
}

static void fork_holder(int fd)
{
    int wires[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires) != 0)
        scene_fail("make a wire");
    holder = wires[0];
    pid_t child = fork();
    if (child == 0)
        hold(wires[1], fd);
    if (child < 0)
        scene_fail("fork");
    close(wires[1]);
}

VERB(do_fork, rest, "shares with a child")
{
    fork_holder(program_connection());
}

VERB(do_start_helper, rest, "starts a helper")
{
    fork_holder(-1);
}

VERB(do_pass_to_helper, rest, "passes it to the helper")
{
    char received;

    if (!net_send_descriptor(holder, program_connection(), 0))
        scene_fail("pass a descriptor");
    if (recv(holder, &received, 1, 0) != 1)
        scene_fail("pass a connection");
}

/* As inetd does it: the connection is the started program's standard input and output. */
VERB(do_start_program, size, "starts a service for")
{
    int wires[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires) != 0)
        scene_fail("make a wire");
    holder = wires[0];
    pid_t child = fork();
    if (child == 0) {
        dup2(program_connection(), 0);
        dup2(program_connection(), 1);
        dup2(wires[1], SCENE_CONTROL);
        execl("/proc/self/exe", "scene", "--echo", size, NULL);
        _exit(127);
    }
    if (child < 0)
        scene_fail("fork");
    close(wires[1]);
}

int share_echo_main(const char *count)
{
    long size;

    if (recv(SCENE_CONTROL, &size, sizeof size, 0) != sizeof size)
        return 1;
    const char *how = echo(0, 1, scene_number(count));
    close(0);
    close(1);
    send(SCENE_CONTROL, how, strlen(how), MSG_NOSIGNAL);
    return 0;
}

VERB(do_let_echo, rest, "lets the holder echo")
{
    char how[32] = "";
    long size = scene_number(rest);

    if (number >= 0) {
        scene_say("echo=%s", echo(number, number, size));
        program_says_closed("last_close", program_close(number));
        return;
    }
    if (send(holder, &size, sizeof size, MSG_NOSIGNAL) < 0 ||
        recv(holder, how, sizeof how - 1, 0) < 0)
        scene_fail("have the holder echo");
    scene_say("echo=%s", how);
    wait(NULL);
}

/* ---- Other threads, in the middle of a call ----------------------------------------------------- */

/* The whole of it in a single call: a second one would find the number closed. */
struct call {
    pthread_t thread;
    volatile int tid;
    int fd;
    long size;
    ssize_t result;
    bool right;
};

enum { MOST_CALLS = 16 };

static struct call calls[MOST_CALLS];
static int call_count;

static void *receive(void *argument)
{
    struct call *call = argument;
    unsigned char *bytes = malloc(call->size);

    call->tid = gettid();
    call->result = recv(call->fd, bytes, call->size, MSG_WAITALL);
    call->right = call->result == call->size;
    for (long i = 0; i < call->result; i++)
        call->right &= bytes[i] == scene_byte(i);
    free(bytes);
    return NULL;
}

static void *transmit(void *argument)
{
    struct call *call = argument;
    unsigned char *bytes = malloc(call->size);

    for (long i = 0; i < call->size; i++)
        bytes[i] = scene_byte(i);
    call->tid = gettid();
    call->result = send(call->fd, bytes, call->size, MSG_NOSIGNAL);
    call->right = call->result == call->size;
    free(bytes);
    return NULL;
}

static bool has_started(void *call)
{
    return ((struct call *)call)->tid != 0;
}

/* Comes back once the thread is blocked in it. */
static void start_call(void *(*routine)(void *), int fd, const char *size, long syscall_nr)
{
    struct call *call = &calls[call_count++];

    *call = (struct call){.fd = fd, .size = scene_number(size)};
    errno = pthread_create(&call->thread, NULL, routine, call);
    if (errno || !net_wait_until(has_started, call) || !net_wait_thread_in(call->tid, syscall_nr))
        scene_fail("have a thread in a call");
}

VERB(do_start_reader, size, "starts a reader of")
{
    start_call(receive, program_connection(), size, SYS_recvfrom);
}

VERB(do_start_writer, size, "starts a writer of")
{
    start_call(transmit, program_connection(), size, SYS_sendto);
}

VERB(do_join_threads, rest, "joins the threads")
{
    for (int i = 0; i < call_count; i++) {
        pthread_join(calls[i].thread, NULL);
        scene_say("thread=%zd %s", calls[i].result, calls[i].right ? "right" : "wrong");
    }
}
