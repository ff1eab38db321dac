/* What somebody does who holds a connection: uses it, or gives it up. See oracle.h. */
#define _GNU_SOURCE
#include "oracle.h"

#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Thread_local volatile int for_handler = -1;

void spin(int microseconds)
{
    int64_t until = net_now_ns() / 1000 + microseconds;

    while (net_now_ns() / 1000 < until)
        ;
}

bool wait_for(_Atomic int *value, int wanted)
{
    int64_t until = net_now_ns() / 1000 + board->patience_ms * 1000L;

    for (int i = 0; atomic_load(value) < wanted; i++) {
        if (i < 20)
            sched_yield();
        else
            usleep(50);
        if (net_now_ns() / 1000 > until)
            return false;
    }
    return true;
}

/* A handler in the middle of everything, whatever the process is. */
static void interrupt(const struct act *a)
{
    if (a->s.signals)
        kill(getpid(), SIGALRM);
}

void wait_unread(const struct act *a)
{
    int wanted = a->s.request - a->s.early;
    int64_t until = net_now_ns() / 1000 + board->patience_ms * 1000L;

    while (net_unread(a->fd) < wanted && net_now_ns() / 1000 < until)
        usleep(30);
}

/* ---- Gives it up ----------------------------------------------------------------------------- */

static void cover(int fd, bool by_syscall)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (by_syscall)
        syscall(SYS_dup2, null, fd);
    else
        dup2(null, fd);
    close(null);
    close(fd);
}

static void close_stream(int fd)
{
    FILE *stream = fdopen(fd, "r");

    if (stream)
        fclose(stream);
    else
        close(fd);
}

/* A handler may still dup the number meanwhile, not afterwards: it is another connection's then. */
void close_by(struct act *a, enum door door)
{
    for_handler = a->s.signals ? a->fd : -1;
    interrupt(a);
    switch (door) {
    case DOOR_SYS_CLOSE:
        syscall(SYS_close, a->fd);
        break;
    case DOOR_DUP2:
    case DOOR_SYS_DUP2:
        cover(a->fd, door == DOOR_SYS_DUP2);
        break;
    case DOOR_RANGE:
        close_range((unsigned)a->fd, (unsigned)a->fd, 0);
        break;
    case DOOR_FCLOSE:
        close_stream(a->fd);
        break;
    case DOOR_CLOSE:
        close(a->fd);
        break;
    default: /* by the end of the process */
        break;
    }
    for_handler = -1;
}

_Noreturn void end_by(enum door door)
{
    switch (door) {
    case DOOR_EXIT:
        exit(0);
    case DOOR_EXIT_GROUP:
        syscall(SYS_exit_group, 0);
        break;
    case DOOR_SIGKILL:
        kill(getpid(), SIGKILL);
        break;
    default:
        break;
    }
    _exit(0);
}

void give_up(struct act *a)
{
    if (a->s.ordered)
        wait_unread(a);
    spin(a->s.spin[OTHER]);
    close_by(a, a->s.door[OTHER]);
    atomic_fetch_add(&a->slot->given_up, 1);
}

/* ---- Uses it --------------------------------------------------------------------------------- */

static enum read_end check(const struct act *a, const unsigned char *bytes, int size)
{
    int at = atomic_load(&a->slot->read);

    for (int i = 0; i < size; i++)
        if (bytes[i] != pattern(a->s.index, false, at + i))
            return READ_WRONG;
    atomic_store(&a->slot->read, at + size);
    return READ_ALL;
}

/* The next SIZE bytes of the request. */
void read_request(struct act *a, int size, int flags)
{
    unsigned char bytes[4096];
    int64_t until = net_now_ns() / 1000 + board->patience_ms * 1000L;
    enum read_end end = READ_ALL;

    for (int left = size; left > 0 && end == READ_ALL;) {
        struct pollfd p = {.fd = a->fd, .events = POLLIN};
        int wanted = left < (int)sizeof bytes ? left : (int)sizeof bytes;
        int got = 0;

        if (poll(&p, 1, 100) > 0) {
            got = (int)recv(a->fd, bytes, (size_t)wanted, flags | MSG_DONTWAIT);
            end = got > 0                             ? check(a, bytes, got)
                  : got == 0                          ? READ_EOF
                  : errno == EAGAIN || errno == EINTR ? READ_ALL
                                                      : READ_ERROR;
        }
        if (got > 0)
            left -= got;
        else if (end == READ_ALL && net_now_ns() / 1000 > until)
            end = READ_TIMEOUT;
    }
    if (end != READ_ALL)
        atomic_store(&a->slot->read_end, end);
}

/* All of it, however long that blocks. */
void write_answer(struct act *a)
{
    unsigned char bytes[4096];

    for (int at = 0; at < a->s.answer;) {
        int size = a->s.answer - at < (int)sizeof bytes ? a->s.answer - at : (int)sizeof bytes;
        int sent;

        for (int i = 0; i < size; i++)
            bytes[i] = pattern(a->s.index, true, at + i);
        do
            sent = (int)send(a->fd, bytes, (size_t)size, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent <= 0) {
            atomic_store(&a->slot->write_error, errno);
            return;
        }
        at += sent;
        atomic_store(&a->slot->written, at);
    }
}

static void ask_for_reset(int fd)
{
    struct linger zero = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof zero);
}

void use(struct act *a)
{
    for_handler = a->s.signals ? a->fd : -1;
    interrupt(a);
    if (a->s.ordered)
        wait_for(&a->slot->given_up, a->s.others);
    else
        spin(a->s.spin[USER]);
    if (a->s.reads)
        read_request(a, a->s.request - a->s.early, 0);
    else
        wait_unread(a);
    write_answer(a);
    if (a->s.zero_linger)
        ask_for_reset(a->fd);
    atomic_store(&a->slot->done, 1);
    close_by(a, a->s.door[USER]);
}
