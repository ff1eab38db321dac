/*
 * Connections that a ring of io_uring has put into an epoll set, which the library doesn't see. libuv does
 * so, and takes each out by epoll_ctl just before it closes it.
 *
 * Where there is no io_uring, or no such ring, the exit status is 77.
 */
#include "linger_epoll.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 8, POLLED_MS = 1000 };

static struct ring {
    int fd;
    bool polled; /* a thread of the kernel's looks for requests */
    struct io_uring_params params;
    char *queues;
    struct io_uring_sqe *requests;
} ring = {.fd = -1};

static _Atomic unsigned *at(unsigned offset)
{
    return (_Atomic unsigned *)(ring.queues + offset);
}

static void open_ring(unsigned flags)
{
    struct io_uring_params *p = &ring.params;
    size_t size;

    if (ring.fd >= 0)
        return;
    p->flags = flags;
    p->sq_thread_idle = POLLED_MS;
    ring.polled = flags & IORING_SETUP_SQPOLL;
    ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, p);
    if (ring.fd < 0 || !(p->features & IORING_FEAT_SINGLE_MMAP)) {
        fprintf(stderr, "linger_epoll: no io_uring: %s\n", strerror(errno));
        exit(77);
    }
    size =
        p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe) + ENTRIES * sizeof(unsigned);
    ring.queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
    ring.requests = mmap(NULL, ENTRIES * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                         MAP_SHARED, ring.fd, IORING_OFF_SQES);
    if (ring.queues == MAP_FAILED || ring.requests == MAP_FAILED)
        unable("map a ring");
}

static void put_request(struct io_uring_sqe request)
{
    unsigned tail = *at(ring.params.sq_off.tail);
    unsigned index = tail % ENTRIES;

    ring.requests[index] = request;
    *at(ring.params.sq_off.array + index * (unsigned)sizeof(unsigned)) = index;
    *at(ring.params.sq_off.tail) = tail + 1;
}

static int answer(void)
{
    unsigned head = *at(ring.params.cq_off.head);
    struct io_uring_cqe *answers = (void *)(ring.queues + ring.params.cq_off.cqes);
    int result;

    while (head == *at(ring.params.cq_off.tail)) {
        if (*at(ring.params.sq_off.flags) & IORING_SQ_NEED_WAKEUP)
            syscall(SYS_io_uring_enter, ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
        usleep(10);
    }
    result = answers[head % ring.params.cq_entries].res;
    *at(ring.params.cq_off.head) = head + 1;
    return result;
}

/* One request, and its answer. */
static int ask(struct io_uring_sqe request)
{
    put_request(request);
    if (!ring.polled)
        must((int)syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0),
             "enter the ring");
    return answer();
}

static int ring_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    errno = -ask((struct io_uring_sqe){.opcode = IORING_OP_EPOLL_CTL,
                                       .fd = set,
                                       .off = (unsigned)fd,
                                       .len = (unsigned)operation,
                                       .addr = (uintptr_t)event});
    return errno ? -1 : 0;
}

static void by_ring(struct connection *c)
{
    open_ring(0);
    add(ring_epoll_ctl, sets[0], c->fd, EPOLLIN | EPOLLRDHUP, c);
}

/* Its requests are older than any connection. */
static void use_ring(void)
{
    open_ring(0);
    ask((struct io_uring_sqe){.opcode = IORING_OP_NOP});
}

/* No ring is made, and none is given anything. */
static void use_none(void)
{
    if (syscall(SYS_io_uring_setup, 0, NULL) >= 0)
        unable("fail to make a ring");
}

static void wait_for_none(struct connection *c)
{
    level(c);
    syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0);
}

static void by_polled_ring(struct connection *c)
{
    open_ring(IORING_SETUP_SQPOLL);
    level(c);
    take_out(c);
    add(ring_epoll_ctl, sets[0], c->fd, EPOLLIN | EPOLLRDHUP, c);
}

/* By the number of a duplicate, which is closed; by its own it is taken out. */
static void by_duplicate_in_ring(struct connection *c)
{
    int copy = must(dup(c->fd), "duplicate");

    open_ring(0);
    add(ring_epoll_ctl, sets[0], copy, EPOLLIN | EPOLLRDHUP, c);
    close(copy);
    level(c);
}

static void take_out_put_in_and_close(struct connection *c)
{
    take_out(c);
    by_ring(c);
    close(c->fd);
}

static void *wait_in_ring(void *unused)
{
    const struct __kernel_timespec hour = {.tv_sec = 3600};

    put_request((struct io_uring_sqe){
        .opcode = IORING_OP_TIMEOUT, .addr = (uintptr_t)&hour, .len = 1, .off = 0});
    syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    return unused;
}

/* A call that another thread made before, and that is not over, may put it in again. */
static void take_out_beside_a_thread_and_close(struct connection *c)
{
    static bool begun;
    pthread_t thread;

    open_ring(0);
    if (!begun && pthread_create(&thread, NULL, wait_in_ring, NULL) != 0)
        unable("start a thread");
    begun = true;
    while (*at(ring.params.sq_off.head) == 0)
        usleep(1000);
    take_out_and_close(c);
}

static void put_in_and_close(struct connection *c)
{
    by_ring(c);
    close(c->fd);
}

/* By a ring of its own, of which the parent sees nothing. */
static void child_puts_in(struct connection *c)
{
    take_out(c);
    child_first(c, put_in_and_close);
}

const struct way ring_ways[] = {
    {"ring-taken-out", by_ring, take_out_and_close, NULL},
    {"ring", by_ring, close_it, NULL},
    {"ring-before", level, close_it, use_ring},
    {"ring-none", wait_for_none, close_it, use_none},
    {"ring-again", level, take_out_put_in_and_close, NULL},
    {"ring-polled", by_polled_ring, close_it, NULL},
    {"ring-duplicate", by_duplicate_in_ring, take_out_and_close, NULL},
    {"ring-thread", level, take_out_beside_a_thread_and_close, NULL},
    {"ring-child", level, child_puts_in, NULL},
    {.name = NULL},
};
