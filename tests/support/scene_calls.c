/*
 * What the hooked calls return, leave in errno and do with their arguments, also with arguments
 * that are wrong. One line for each call, so that a run without the library and one with it can be
 * compared.
 */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define CALL(name, expression)                                                                     \
    do {                                                                                           \
        errno = SCENE_KEPT;                                                                        \
        long result_ = (long)(expression);                                                         \
        scene_say("%s=%ld %s", name, result_, scene_errno(errno));                                 \
    } while (0)

/* An address that no process has mapped. */
#define NOWHERE ((void *)16)

enum { NOT_OPEN = 9999 };

/* ---- close, socket, listen, setsockopt ------------------------------------------------------------- */

VERB(do_call_close, rest, "calls close")
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CALL("close", close(fd));
    CALL("close again", close(fd));
    CALL("close -1", close(-1));
    CALL("close not open", close(NOT_OPEN));
    CALL("close INT_MAX", close(INT_MAX));
    CALL("close INT_MIN", close(INT_MIN));
    CALL("close beyond the table", close(1 << 20));
}

VERB(do_call_socket, rest, "calls socket")
{
    CALL("socket", socket(AF_INET, SOCK_STREAM, 0));
    CALL("socket with flags", socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    CALL("socket UNIX", socket(AF_UNIX, SOCK_STREAM, 0));
    CALL("socket UDP", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
    CALL("socket bad family", socket(12345, SOCK_STREAM, 0));
    CALL("socket bad type", socket(AF_INET, 15, 0));
    CALL("socket bad flags", socket(AF_INET, SOCK_STREAM | 0x10000000, 0));
    CALL("socket bad protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
}

VERB(do_call_listen, rest, "calls listen")
{
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

    CALL("listen", listen(tcp, 1));
    CALL("listen again", listen(tcp, -1));
    CALL("listen UDP", listen(udp, 1));
    CALL("listen file", listen(0, 1));
    CALL("listen not open", listen(NOT_OPEN, 1));
    CALL("listen -1", listen(-1, 1));
}

VERB(do_call_setsockopt, rest, "calls setsockopt")
{
    struct linger linger = {1, 5}, got = {0, 0};
    socklen_t size = sizeof got;
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    CALL("setsockopt linger", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &size);
    scene_say("linger=%d %d", got.l_onoff, got.l_linger);
    CALL("setsockopt keepalive", setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one));
    CALL("setsockopt short", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4));
    CALL("setsockopt negative", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, -1));
    CALL("setsockopt nowhere", setsockopt(fd, SOL_SOCKET, SO_LINGER, NOWHERE, sizeof linger));
    CALL("setsockopt NULL", setsockopt(fd, SOL_SOCKET, SO_LINGER, NULL, sizeof linger));
    CALL("setsockopt unknown", setsockopt(fd, SOL_SOCKET, 12345, &one, sizeof one));
    CALL("setsockopt file", setsockopt(0, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    CALL("setsockopt not open",
         setsockopt(NOT_OPEN, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    CALL("setsockopt -1", setsockopt(-1, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

/* ---- accept and connect ---------------------------------------------------------------------------- */

typedef int accept_call(int fd, struct sockaddr *address, socklen_t *size);

static int accept4_without_flags(int fd, struct sockaddr *address, socklen_t *size)
{
    return accept4(fd, address, size, 0);
}

/* A buffer of so many bytes, and what the kernel made of it: its length, its family, and how far it
 * wrote. */
static void accept_into(const char *name, accept_call *call, socklen_t room)
{
    unsigned char buffer[64];
    socklen_t size = room;
    sa_family_t family;
    int touched = sizeof buffer;

    memset(buffer, 0xee, sizeof buffer);
    errno = SCENE_KEPT;
    int fd = call(program.listener, (struct sockaddr *)buffer, &size);
    int error = errno;
    while (touched > 0 && buffer[touched - 1] == 0xee)
        touched--;
    memcpy(&family, buffer, sizeof family);
    scene_say("%s room %d=%d %s size %d touched %s family %d", name, (int)room, fd,
              scene_errno(error), (int)size,
              touched == 0           ? "none"
              : touched <= (int)room ? "within"
                                     : "beyond",
              family == 0xeeee ? -1 : family);
}

static void call_accept(const char *name, accept_call *call)
{
    struct sockaddr_in address;
    char what[64];

#define NAMED(text) (snprintf(what, sizeof what, "%s " text, name), what)
    CALL(NAMED("no address"), call(program.listener, NULL, NULL));
    accept_into(name, call, sizeof address);
    accept_into(name, call, 64);
    accept_into(name, call, 4);
    accept_into(name, call, 0);
    accept_into(name, call, -1);
    CALL(NAMED("address nowhere"), call(program.listener, NOWHERE, &(socklen_t){sizeof address}));
    CALL(NAMED("size NULL"), call(program.listener, (struct sockaddr *)&address, NULL));
    CALL(NAMED("address NULL, size nowhere"), call(program.listener, NULL, NOWHERE));
    CALL(NAMED("file"), call(0, NULL, NULL));
    CALL(NAMED("not open"), call(NOT_OPEN, NULL, NULL));
    CALL(NAMED("not listening"), call(socket(AF_INET, SOCK_STREAM, 0), NULL, NULL));
#undef NAMED
}

/* All that was accepted: its peers read to the end. */
static void close_accepted(void)
{
    for (int fd = program.listener + 1; fd < SCENE_CONTROL; fd++)
        close(fd);
}

VERB(do_call_accept, rest, "calls accept")
{
    call_accept("accept", accept);
    call_accept("accept4", accept4_without_flags);
    int fd = accept4(program.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    scene_say("accept4 flags=%x %x", fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
    CALL("accept4 bad flags", accept4(program.listener, NULL, NULL, 1));
    fcntl(program.listener, F_SETFL, O_NONBLOCK);
    CALL("accept nobody", accept(program.listener, NULL, NULL));
    CALL("accept4 nobody", accept4(program.listener, NULL, NULL, 0));
    close_accepted();
}

/* Where a length can't be written the kernel says EFAULT; nobody may look there before it does. */
VERB(do_call_accept_nowhere, rest, "calls accept with its size nowhere")
{
    struct sockaddr_in address;

    CALL("accept size nowhere", accept(program.listener, (struct sockaddr *)&address, NOWHERE));
    CALL("accept4 size nowhere",
         accept4(program.listener, (struct sockaddr *)&address, NOWHERE, SOCK_CLOEXEC));
}

static int tcp_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

VERB(do_call_connect, rest, "calls connect")
{
    struct sockaddr_in closed = net_loopback(1), open, nobody = {.sin_family = AF_UNSPEC};
    struct sockaddr *to_open = (struct sockaddr *)&open, *to_closed = (struct sockaddr *)&closed;
    socklen_t size = sizeof open;
    int fd = tcp_socket();

    getsockname(program.listener, to_open, &size);
    CALL("connect", connect(fd, to_open, sizeof open));
    CALL("connect again", connect(fd, to_open, sizeof open));
    CALL("connect to nobody", connect(fd, (struct sockaddr *)&nobody, sizeof nobody));
    CALL("connect refused", connect(tcp_socket(), to_closed, sizeof closed));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CALL("connect without waiting", connect(fd, to_open, sizeof open));
    net_wait_for(net_state, fd, TCP_ESTABLISHED);
    CALL("connect that was under way", connect(fd, to_open, sizeof open));
    CALL("connect NULL", connect(tcp_socket(), NULL, sizeof open));
    CALL("connect nowhere", connect(tcp_socket(), NOWHERE, sizeof open));
    CALL("connect size 0", connect(tcp_socket(), to_open, 0));
    CALL("connect size 4", connect(tcp_socket(), to_open, 4));
    CALL("connect size -1", connect(tcp_socket(), to_open, -1));
    CALL("connect other family", connect(socket(AF_INET6, SOCK_STREAM, 0), to_open, sizeof open));
    CALL("connect UDP", connect(socket(AF_INET, SOCK_DGRAM, 0), to_open, sizeof open));
    CALL("connect file", connect(0, to_open, sizeof open));
    CALL("connect not open", connect(NOT_OPEN, to_open, sizeof open));
}

/* ---- dup and fcntl ----------------------------------------------------------------------------------- */

VERB(do_call_dup, rest, "calls dup")
{
    int fd = program_connection();

    CALL("dup", dup(fd));
    CALL("dup -1", dup(-1));
    CALL("dup not open", dup(NOT_OPEN));
    CALL("dup2", dup2(fd, 100));
    CALL("dup2 itself", dup2(fd, fd));
    CALL("dup2 over another", dup2(0, 100));
    CALL("dup2 not open", dup2(NOT_OPEN, 100));
    CALL("dup2 not open itself", dup2(NOT_OPEN, NOT_OPEN));
    CALL("dup2 to -1", dup2(fd, -1));
    CALL("dup2 to INT_MAX", dup2(fd, INT_MAX));
    CALL("dup3", dup3(fd, 101, O_CLOEXEC));
    CALL("dup3 flags", fcntl(101, F_GETFD));
    CALL("dup3 itself", dup3(fd, fd, 0));
    CALL("dup3 bad flags", dup3(fd, 102, 1));
    CALL("dup3 not open", dup3(NOT_OPEN, 102, 0));
    scene_say("same file=%s", net_state(101) == TCP_ESTABLISHED ? "yes" : "no");
}

typedef int fcntl_call(int fd, int command, ...);

static void call_fcntl(fcntl_call *call, const char *name)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    struct f_owner_ex owner = {.type = F_OWNER_PID}, set_owner = {F_OWNER_PID, getpid()};
    int file = memfd_create("scene", 0), fd = program_connection(), ends[2];
    char what[64];

#define NAMED(text) (snprintf(what, sizeof what, "%s " text, name), what)
    CALL(NAMED("F_DUPFD"), call(fd, F_DUPFD, 60));
    CALL(NAMED("F_DUPFD_CLOEXEC"), call(fd, F_DUPFD_CLOEXEC, 60));
    CALL(NAMED("F_DUPFD negative"), call(fd, F_DUPFD, -1));
    CALL(NAMED("F_DUPFD not open"), call(NOT_OPEN, F_DUPFD, 60));
    CALL(NAMED("F_GETFD"), call(fd, F_GETFD));
    CALL(NAMED("F_SETFD"), call(fd, F_SETFD, FD_CLOEXEC));
    CALL(NAMED("F_GETFD set"), call(fd, F_GETFD));
    CALL(NAMED("F_SETFL"), call(fd, F_SETFL, O_NONBLOCK));
    CALL(NAMED("F_GETFL"), call(fd, F_GETFL));
    CALL(NAMED("F_SETFL back"), call(fd, F_SETFL, 0));
    CALL(NAMED("F_SETLK"), call(file, F_SETLK, &lock));
    CALL(NAMED("F_GETLK"), call(file, F_GETLK, &lock));
    CALL(NAMED("F_OFD_SETLK"), call(file, F_OFD_SETLK, &(struct flock){.l_type = F_RDLCK}));
    scene_say("%s lock=%d", name, lock.l_type);
    CALL(NAMED("F_SETLK nowhere"), call(file, F_SETLK, NOWHERE));
    CALL(NAMED("F_SETOWN_EX"), call(fd, F_SETOWN_EX, &set_owner));
    CALL(NAMED("F_GETOWN_EX"), call(fd, F_GETOWN_EX, &owner));
    scene_say("%s owner=%s", name, owner.pid == getpid() ? "right" : "wrong");
    if (pipe(ends) == 0) {
        CALL(NAMED("F_SETPIPE_SZ"), call(ends[0], F_SETPIPE_SZ, 8192));
        CALL(NAMED("F_GETPIPE_SZ"), call(ends[0], F_GETPIPE_SZ));
    }
    CALL(NAMED("F_ADD_SEALS"), call(file, F_ADD_SEALS, F_SEAL_GROW));
    CALL(NAMED("unknown"), call(fd, 12345, 0));
    CALL(NAMED("not open"), call(NOT_OPEN, F_GETFD));
#undef NAMED
}

VERB(do_call_fcntl, rest, "calls fcntl")
{
    call_fcntl(fcntl, "fcntl");
    call_fcntl(fcntl64, "fcntl64");
}

/* ---- sendmsg ------------------------------------------------------------------------------------------- */

static struct msghdr one_byte(void)
{
    static char byte = 'x';
    static struct iovec data = {&byte, 1};

    return (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
}

static char control[CMSG_SPACE(sizeof(int))];

/* With a descriptor, or what claims to be one of this length. */
static struct msghdr with_descriptor(int fd, size_t length)
{
    struct msghdr message = one_byte();
    struct cmsghdr *c = (struct cmsghdr *)control;

    memset(control, 0, sizeof control);
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = length;
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return message;
}

VERB(do_call_sendmsg, rest, "calls sendmsg")
{
    struct msghdr plain = one_byte(), message;
    struct mmsghdr two[2] = {{.msg_hdr = plain}, {.msg_hdr = plain}};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        scene_fail("make a socket pair");
    CALL("sendmsg", sendmsg(ends[0], &plain, 0));
    message = with_descriptor(ends[1], CMSG_LEN(sizeof(int)));
    CALL("sendmsg rights", sendmsg(ends[0], &message, 0));
    message = with_descriptor(program_connection(), CMSG_LEN(sizeof(int)));
    CALL("sendmsg rights of a connection", sendmsg(ends[0], &message, 0));
    message = with_descriptor(NOT_OPEN, CMSG_LEN(sizeof(int)));
    CALL("sendmsg rights not open", sendmsg(ends[0], &message, 0));
    message = with_descriptor(0, 3);
    CALL("sendmsg control too short", sendmsg(ends[0], &message, 0));
    message = with_descriptor(0, 4096);
    CALL("sendmsg control too long", sendmsg(ends[0], &message, 0));
    message.msg_control = NOWHERE;
    CALL("sendmsg control nowhere", sendmsg(ends[0], &message, 0));
    message = plain;
    message.msg_controllen = 0;
    message.msg_control = NOWHERE;
    CALL("sendmsg no control, nowhere", sendmsg(ends[0], &message, 0));
    message = with_descriptor(0, CMSG_LEN(sizeof(int)));
    CALL("sendmsg rights over TCP", sendmsg(program_connection(), &message, 0));
    CALL("sendmsg nowhere", sendmsg(ends[0], NOWHERE, 0));
    CALL("sendmsg not open", sendmsg(NOT_OPEN, &plain, 0));
    CALL("sendmsg file", sendmsg(0, &plain, 0));
    CALL("sendmmsg", sendmmsg(ends[0], two, 2, 0));
    scene_say("sendmmsg lengths=%u %u", two[0].msg_len, two[1].msg_len);
    two[1].msg_hdr.msg_iov = NOWHERE;
    CALL("sendmmsg second wrong", sendmmsg(ends[0], two, 2, 0));
    CALL("sendmmsg none", sendmmsg(ends[0], two, 0, 0));
    CALL("sendmmsg nowhere", sendmmsg(ends[0], NOWHERE, 2, 0));
    CALL("sendmmsg not open", sendmmsg(NOT_OPEN, two, 2, 0));
}

/* ---- Other processes ------------------------------------------------------------------------------------ */

static int status_of(pid_t child)
{
    int status = -1;

    waitpid(child, &status, 0);
    return status;
}

/* A child's number is not for comparison; that it is one, is. */
static void say_child(const char *name, pid_t child)
{
    int error = errno;

    scene_say("%s=%s %s status %x", name, child > 0 ? "child" : "none", scene_errno(error),
              status_of(child));
}

VERB(do_call_fork, rest, "calls fork")
{
    static volatile int seen;
    pid_t child;

    errno = SCENE_KEPT;
    child = fork();
    if (child == 0)
        _exit(errno == SCENE_KEPT ? 3 : 4);
    say_child("fork", child);
    errno = SCENE_KEPT;
    child = _Fork();
    if (child == 0)
        _exit(errno == SCENE_KEPT ? 3 : 4);
    say_child("_Fork", child);
    errno = SCENE_KEPT;
    child = vfork();
    if (child == 0) {
        seen = errno;
        _exit(3);
    }
    say_child("vfork", child);
    scene_say("vfork child=%s", scene_errno(seen));
}

VERB(do_call_system, rest, "calls system")
{
    char line[16] = "";
    FILE *stream;

    CALL("system", system("exit 3"));
    CALL("system NULL", system(NULL) != 0);
    CALL("system killed", system("kill -9 $$"));
    errno = SCENE_KEPT;
    stream = popen("echo out; exit 4", "r");
    scene_say("popen=%s %s", stream ? "stream" : "NULL", scene_errno(errno));
    if (stream && fgets(line, sizeof line, stream))
        scene_say("popen read=%.3s", line);
    CALL("pclose", pclose(stream));
    stream = popen("read x; test \"$x\" = in", "we");
    fputs("in\n", stream);
    CALL("pclose written", pclose(stream));
    CALL("popen bad mode", popen("true", "x") != NULL);
}

VERB(do_call_posix_spawn, rest, "calls posix_spawn")
{
    char *const arguments[] = {"sh", "-c", "exit ${CODE-6}", NULL};
    char *const other_environment[] = {"CODE=7", NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = -1;

    CALL("posix_spawn", posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ));
    say_child("posix_spawn child", child);
    CALL("posix_spawn other environment",
         posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, other_environment));
    say_child("posix_spawn child", child);
    CALL("posix_spawn no pid wanted",
         posix_spawn(NULL, "/bin/true", NULL, NULL, arguments, environ));
    wait(NULL);
    CALL("posix_spawn missing", posix_spawn(&child, "/missing", NULL, NULL, arguments, environ));
    CALL("posix_spawnp", posix_spawnp(&child, "sh", NULL, NULL, arguments, environ));
    say_child("posix_spawnp child", child);
    CALL("posix_spawnp missing",
         posix_spawnp(&child, "missing-program", NULL, NULL, arguments, environ));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, 0);
    posix_spawn_file_actions_adddup2(&actions, program_connection(), 0);
    CALL("posix_spawn actions", posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ));
    say_child("posix_spawn child", child);
    posix_spawn_file_actions_adddup2(&actions, NOT_OPEN, 0);
    CALL("posix_spawn bad action",
         posix_spawn(&child, "/bin/sh", &actions, NULL, arguments, environ));
    posix_spawn_file_actions_destroy(&actions);
}
