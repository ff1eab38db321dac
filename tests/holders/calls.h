/*
 * What the programs calls.c, calls_end.c and calls_cost.c have in common: threads that sleep, run
 * or wait in all kinds of calls, and many connections at a time. Their peer is owner_peer.
 */
#ifndef SAFECLOSE_TESTS_CALLS_H
#define SAFECLOSE_TESTS_CALLS_H

#include "net.h"
#include "owner.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>

enum {
    CALLS_NOBODY = 65534,
    CALLS_SOON_MS = 1000, /* an end that depends on nobody comes earlier */
};

/* Irrevocably; the kernel lets such a process look into none of its own threads any more. */
static inline void calls_become_nobody(void)
{
    must(setgid(CALLS_NOBODY), "setgid");
    must(setuid(CALLS_NOBODY), "setuid");
}

/* ---- Threads --------------------------------------------------------------------------------- */

static _Atomic int calls_tid;

static inline pthread_t calls_start(void *(*routine)(void *))
{
    pthread_t thread;
    pthread_attr_t small;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    errno = pthread_create(&thread, &small, routine, NULL);
    if (errno)
        unable("start a thread");
    pthread_attr_destroy(&small);
    return thread;
}

/* What a thread says just before the call that it is to sleep in. */
static inline void calls_announce(void)
{
    calls_tid = gettid();
}

/* The body of a thread that is elsewhere for good. */
static inline void *calls_sleep(void *unused)
{
    calls_announce();
    return sleep_for_ever(unused);
}

/* Anybody may read this of his own threads. */
static inline bool calls_sleeps(void *tid)
{
    char path[64];
    char line[512] = "";
    const char *end;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", *(int *)tid);
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    fclose(file);
    end = strrchr(line, ')');
    return end && end[1] == ' ' && end[2] == 'S';
}

/* Returns when the thread sleeps in the call that it announced. */
static inline pthread_t calls_start_asleep(void *(*routine)(void *))
{
    pthread_t thread;
    int tid;

    calls_tid = 0;
    thread = calls_start(routine);
    while ((tid = calls_tid) == 0)
        sched_yield();
    if (!net_wait_until(calls_sleeps, &tid))
        unable("have a thread sleep");
    return thread;
}

static atomic_int calls_busy;

static inline void *calls_be_busy(void *unused)
{
    atomic_fetch_add(&calls_busy, 1);
    for (;;)
        __asm__ volatile("");
    return unused;
}

/* Threads that never make a call. */
static inline void calls_start_busy(int count)
{
    calls_busy = 0;
    for (int i = 0; i < count; i++)
        calls_start(calls_be_busy);
    while (calls_busy < count)
        sched_yield();
}

/* ---- Calls on something else ----------------------------------------------------------------- */

static struct net_pair calls_pairs[2];
static pthread_mutex_t calls_mutex = PTHREAD_MUTEX_INITIALIZER;

static inline void *calls_poll(void *unused)
{
    calls_announce();
    for (;;)
        poll(NULL, 0, -1);
    return unused;
}

static inline void *calls_epoll(void *unused)
{
    struct epoll_event event;
    int set = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");

    calls_announce();
    for (;;)
        epoll_wait(set, &event, 1, -1);
    return unused;
}

static inline void *calls_nanosleep(void *unused)
{
    calls_announce();
    for (;;)
        sleep(1000);
    return unused;
}

static inline void *calls_lock(void *unused)
{
    calls_announce();
    pthread_mutex_lock(&calls_mutex);
    return unused;
}

static inline void *calls_accept(void *unused)
{
    int listener = must(net_listen(NULL, 1), "listen");

    calls_announce();
    for (;;)
        accept(listener, NULL, NULL);
    return unused;
}

static inline void *calls_read_pipe(void *unused)
{
    int ends[2];
    char byte;

    must(pipe2(ends, O_CLOEXEC), "make a pipe");
    calls_announce();
    must((int)read(ends[0], &byte, 1), "read");
    return unused;
}

static inline void *calls_receive(void *unused)
{
    char byte;

    calls_announce();
    must((int)recv(calls_pairs[0].ours, &byte, 1, 0), "recv");
    return unused;
}

enum { CALLS_MUCH = 16 << 20 }; /* more than fits */

static inline void *calls_send(void *unused)
{
    void *much =
        mmap(NULL, CALLS_MUCH, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    calls_announce();
    must((int)send(calls_pairs[1].ours, much, CALLS_MUCH, MSG_NOSIGNAL), "send");
    return unused;
}

/* One thread in each kind of call, on no connection that anybody closes. */
static inline void calls_start_elsewhere(void)
{
    void *(*const calls[])(void *) = {
        calls_poll,   calls_epoll,     calls_nanosleep, calls_lock,
        calls_accept, calls_read_pipe, calls_receive,   calls_send,
    };

    for (int i = 0; i < 2; i++)
        must(net_pair_open(&calls_pairs[i], NULL), "open a pair");
    pthread_mutex_lock(&calls_mutex);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        calls_start_asleep(calls[i]);
}

/* So that nothing is unread of what the program wrote to itself. */
static inline void calls_end_elsewhere(void)
{
    static char block[65536];
    ssize_t n;

    for (long left = CALLS_MUCH; left > 0; left -= n)
        n = must((int)read(calls_pairs[1].peer, block, sizeof block), "read");
}

/* ---- How connections ended ------------------------------------------------------------------- */

/* What the peer gets after a close just made, and whether the end came without delay. */
static inline void calls_say_end_and_when(void)
{
    long closed_at = net_now_ms();
    struct owner_answer end = owner_ask('R', 0);

    owner_says_peer_read(end);
    owner_say("%s\n", net_now_ms() - closed_at < CALLS_SOON_MS ? "soon" : "late");
}

struct calls_tally {
    int all;
    int errors;
    int late;
};

static inline void calls_tally_end(struct calls_tally *tally)
{
    long closed_at = net_now_ms();
    struct owner_answer end = owner_ask('R', 0);

    tally->all++;
    tally->errors += end.error != 0;
    tally->late += net_now_ms() - closed_at >= CALLS_SOON_MS;
}

static inline void calls_say_tally(const struct calls_tally *tally)
{
    owner_say("%d connections, %d reset, %d late\n", tally->all, tally->errors, tally->late);
}

/* COUNT connections, on each of which so many bytes are unread. */
static inline void calls_take_many(int fds[], int count, int at_a_time, int unread)
{
    int listener = owner_listens();

    for (int i = 0; i < count; i++) {
        if (i % at_a_time == 0)
            owner_ask('M', count - i < at_a_time ? count - i : at_a_time);
        fds[i] = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
    }
    must(close(listener), "close the listening socket");
    owner_ask('m', unread);
}

#endif
