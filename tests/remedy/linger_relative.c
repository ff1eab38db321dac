/*
 * linger_relative SCENE COUNT: what a relative of this process still does with a connection while this one closes
 * it. It says how many answers were not whole.
 *
 *   many      the child ends by exit() with an answer in a stream that is one more than the library can remember
 *   cookie    likewise, in a stream whose own function writes to the connection (fopencookie(3))
 *   plain     likewise, in a stream made by fdopen(3)
 *   another   the number that is closed is another connection's by now, which nobody saw; a child has the one that
 *             was there before. COUNT answers come by another number of the new one
 *   signals   the child ends just after the close, and the peer sends on: how many SIGIOs there were
 */
#define _GNU_SOURCE
#include "play.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REMEMBERED = 64 };

static const char answer[] = "the whole answer";

static bool is_whole(int peer)
{
    char got[sizeof answer];
    ssize_t size = 0;
    ssize_t more;

    while ((more = recv(peer, got + size, sizeof got - (size_t)size, 0)) > 0)
        size += more;
    return size == sizeof answer - 1 && memcmp(got, answer, (size_t)size) == 0;
}

/* ---- Streams ---------------------------------------------------------------------------------- */

static ssize_t write_to(void *cookie, const char *bytes, size_t size)
{
    ssize_t written = send(*(int *)cookie, bytes, size, MSG_NOSIGNAL);

    return written < 0 ? 0 : written;
}

static _Noreturn void answer_and_exit(int fd, bool cookie, int begun)
{
    const cookie_io_functions_t functions = {.write = write_to};
    FILE *stream = cookie ? fopencookie(&fd, "w", functions) : fdopen(fd, "w");

    if (!stream)
        err(2, "open a stream");
    fputs(answer, stream);
    must((int)write(begun, "", 1), "write to a pipe");
    exit(0);
}

/* The close comes up to 0.2 ms after the child has begun to end. */
static bool is_answered(int round, bool cookie)
{
    struct net_pair pair;
    int begun[2];
    char byte;
    bool whole;

    must(net_pair_open(&pair, NULL), "connect");
    must(pipe(begun), "pipe");
    if (must(fork(), "fork") == 0) {
        close(pair.peer);
        answer_and_exit(pair.ours, cookie, begun[1]);
    }
    must((int)read(begun[0], &byte, 1), "read from a pipe");
    for (volatile int spin = round % 40 * 2000; spin > 0; spin--)
        ;
    net_close_ours(&pair);
    must(wait(NULL), "wait");
    whole = is_whole(pair.peer);
    close(begun[0]);
    close(begun[1]);
    net_pair_close(&pair);
    return whole;
}

static void streams(const char *kind, int count)
{
    struct net_pair pair;
    int cut = 0;

    must(net_pair_open(&pair, NULL), "connect");
    for (int i = 0; strcmp(kind, "many") == 0 && i < REMEMBERED; i++)
        if (!fdopen(must(dup(pair.ours), "dup"), "w"))
            err(2, "open a stream");
    for (int i = 0; i < count; i++)
        cut += !is_answered(i, strcmp(kind, "cookie") == 0);
    printf("%d of %d cut\n", cut, count);
    fflush(stdout);
    _exit(0);
}

/* ---- In a program with threads ---------------------------------------------------------------- */

/* By the instruction itself: no hook sees it. */
static long unseen(long number, long a, long b, long c)
{
#ifdef __x86_64__
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
#else
    (void)number, (void)a, (void)b, (void)c;
    errx(2, "no unseen calls on this machine");
#endif
}

static bool is_other_whole(void)
{
    struct net_pair old;
    struct net_pair new;
    int kept;
    bool whole;

    must(net_pair_open(&old, NULL), "connect");
    must(net_pair_open(&new, NULL), "connect");
    if (must(fork(), "fork") == 0) {
        net_pass_ms(5);
        _exit(0);
    }
    kept = (int)unseen(SYS_fcntl, new.ours, F_DUPFD, 100);
    unseen(SYS_dup3, new.ours, old.ours, 0);
    unseen(SYS_close, new.ours, 0, 0);
    close(old.ours); /* the note says the old one, and the number is the new one's */
    must(wait(NULL), "wait");
    net_pass_ms(30);
    send(kept, answer, sizeof answer - 1, MSG_NOSIGNAL);
    unseen(SYS_close, kept, 0, 0);
    whole = is_whole(new.peer);
    old.ours = new.ours = -1;
    net_pair_close(&old);
    net_pair_close(&new);
    return whole;
}

static void another(int count)
{
    int cut = 0;

    start_thread(sleep_for_ever, NULL);
    for (int i = 0; i < count; i++)
        cut += !is_other_whole();
    printf("%d of %d cut\n", cut, count);
}

static volatile sig_atomic_t told;

static void count_signal(int number)
{
    (void)number;
    told++;
}

static void signals(int count)
{
    struct net_pair pair;

    start_thread(sleep_for_ever, NULL);
    signal(SIGIO, count_signal);
    for (int i = 0; i < count; i++) {
        must(net_pair_open(&pair, NULL), "connect");
        must(fcntl(pair.ours, F_SETOWN, getpid()), "own");
        must(fcntl(pair.ours, F_SETFL, O_ASYNC | O_RDWR), "ask for signals");
        if (must(fork(), "fork") == 0) {
            net_pass_ms(2);
            _exit(0);
        }
        net_close_ours(&pair);
        must(wait(NULL), "wait");
        net_pass_ms(10);
        told = 0;
        send(pair.peer, "late", 4, MSG_NOSIGNAL);
        net_pass_ms(5);
        if (told)
            break;
        net_pair_close(&pair);
    }
    printf("%d signals\n", (int)told);
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count < 1)
        errx(2, "usage: linger_relative SCENE COUNT");
    if (strcmp(argv[1], "another") == 0)
        another(count);
    else if (strcmp(argv[1], "signals") == 0)
        signals(count);
    else
        streams(argv[1], count);
    return 0;
}
