/*
 * owner_threads SCENE: a thread is in the middle of a call on the connection while another closes
 * it. The call is a reference like any other: what it was going to read must come to it, what it
 * was going to write must arrive.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

enum { MUCH = 20 * 1024 * 1024, FEW = 5 };

static int fd;
static _Atomic int tid;
static ssize_t result;
static int error;
static unsigned char bytes[OWNER_BYTES];

/* Returns when it sleeps in the call. */
static pthread_t start_in(void *(*routine)(void *), long call)
{
    pthread_t thread = start_thread(routine, NULL);

    while (tid == 0)
        sched_yield();
    if (!net_wait_thread_in(tid, call))
        unable("have a thread in a call");
    return thread;
}

static void say_result(const char *who)
{
    owner_say("%s: %zd bytes, %s, %s\n", who, result,
              result < 0 || owner_right(bytes, 0, result) ? "right" : "wrong",
              result < 0 ? strerrorname_np(error) : "no error");
}

/* ---- Readers --------------------------------------------------------------------------------- */

static long wanted;
static int receive_flags;

static void *receive(void *unused)
{
    tid = gettid();
    result = recv(fd, bytes, (size_t)wanted, receive_flags);
    error = errno;
    return unused;
}

/* Blocked while nothing is there. */
SCENE(reader, "reader")
{
    fd = owner_takes_one();
    wanted = OWNER_BYTES;
    pthread_t thread = start_in(receive, SYS_recvfrom);
    must(close(fd), "close");
    owner_sends(OWNER_BYTES);
    pthread_join(thread, NULL);
    say_result("reader");
    owner_peer_reads();
}

/* Blocked until all of OWNER_BYTES are there. */
static pthread_t start_reader_of_more(void)
{
    int least = OWNER_BYTES;

    must(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least), "set a low mark");
    wanted = OWNER_BYTES;
    return start_in(receive, SYS_recvfrom);
}

/* FEW of them are there. */
static void end_of_more(pthread_t reader)
{
    owner_sends(OWNER_BYTES - FEW);
    owner_ask('F', 0);
    pthread_join(reader, NULL);
    say_result("reader");
    owner_peer_reads();
}

/* Blocked while a part of what it waits for is there. */
SCENE(reader_of_more, "reader-of-more")
{
    fd = owner_takes_one();
    pthread_t thread = start_reader_of_more();
    owner_sends(FEW);
    must(close(fd), "close");
    end_of_more(thread);
}

/* Looks at the beginning, which stays in the queue, and waits for the rest. */
SCENE(peeker, "peeker")
{
    fd = owner_takes_one();
    wanted = 2L * FEW;
    receive_flags = MSG_PEEK | MSG_WAITALL;
    owner_sends(FEW);
    pthread_t thread = start_in(receive, SYS_recvfrom);
    must(close(fd), "close");
    owner_sends(FEW);
    owner_ask('F', 0);
    pthread_join(thread, NULL);
    say_result("peeker");
}

static _Atomic bool spinning;

/* Keeps a processor from everybody who is less important. */
static void *spin(void *unused)
{
    spinning = true;
    while (spinning)
        ;
    return unused;
}

static void pin(pthread_t thread, int processor)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)processor, &set);
    errno = pthread_setaffinity_np(thread, sizeof set, &set);
    if (errno)
        unable("choose a processor");
}

static int first_processor(void)
{
    cpu_set_t set;
    int i = 0;

    must(sched_getaffinity(0, sizeof set, &set), "know the processors");
    while (!CPU_ISSET((size_t)i, &set))
        i++;
    return i;
}

/* Woken by what has come, and not yet on a processor: it is in its call still, though the queue is
 * not empty any more. */
SCENE(reader_about_to_run, "reader-about-to-run")
{
    struct sched_param none = {0};
    int processor = first_processor();

    fd = owner_takes_one();
    wanted = OWNER_BYTES;
    pthread_t thread = start_in(receive, SYS_recvfrom);
    pthread_setschedparam(thread, SCHED_IDLE, &none);
    pin(thread, processor);
    pthread_t spinner = start_thread(spin, NULL);
    pin(spinner, processor);
    while (!spinning)
        sched_yield();
    owner_sends(FEW);
    must(close(fd), "close");
    spinning = false;
    owner_ask('F', 0);
    pthread_join(thread, NULL);
    pthread_join(spinner, NULL);
    say_result("reader");
}

/* Its number was closed before: the call goes on, and no list of numbers shows it. */
SCENE(reader_of_closed_number, "reader-of-closed-number")
{
    fd = owner_takes_one();
    int other = must(dup(fd), "duplicate");
    pthread_t thread = start_reader_of_more();
    must(close(fd), "close");
    owner_sends(FEW);
    must(close(other), "close");
    end_of_more(thread);
}

/* Blocked in a call that began while the connection was a blocking one. */
SCENE(reader_before_nonblocking, "reader-before-nonblocking")
{
    fd = owner_takes_one();
    pthread_t thread = start_reader_of_more();
    must(fcntl(fd, F_SETFL, O_NONBLOCK), "set non-blocking");
    owner_sends(FEW);
    must(close(fd), "close");
    end_of_more(thread);
}

/* ---- Writers --------------------------------------------------------------------------------- */

static void *transmit(void *unused)
{
    unsigned char *much = malloc(MUCH);

    for (long i = 0; i < MUCH; i++)
        much[i] = owner_byte(i);
    tid = gettid();
    result = send(fd, much, MUCH, MSG_NOSIGNAL);
    error = errno;
    free(much);
    return unused;
}

/* Nobody loses anything before the writer's last byte is taken. What comes then is the writer's
 * close, with FEW unread: how much of the tail its reset takes along is a matter of luck. */
SCENE(writer, "writer")
{
    fd = owner_takes_one();
    owner_sends(FEW);
    pthread_t thread = start_in(transmit, SYS_sendto);
    must(close(fd), "close");
    struct owner_answer first = owner_ask('R', MUCH / 2);
    owner_say("peer read %ld bytes, %s\n", first.bytes, first.right ? "right" : "wrong");
    owner_ask('R', 0);
    pthread_join(thread, NULL);
    owner_say("writer: %zd bytes\n", result);
}

static void close_under(pthread_t thread)
{
    must(close(fd), "close");
    struct owner_answer all = owner_ask('R', 0);
    pthread_join(thread, NULL);
    owner_say("writer: %zd bytes\n", result);
    owner_say("peer read %ld bytes, then %s\n", all.bytes,
              all.error ? strerrorname_np(all.error) : "the end");
}

SCENE(writer_then_end, "writer-then-end")
{
    fd = owner_takes_one();
    close_under(start_in(transmit, SYS_sendto));
}

/* The same with FEW unread, which take nothing along where they are drained. */
SCENE(writer_at_risk, "writer-at-risk")
{
    fd = owner_takes_one();
    owner_sends(FEW);
    close_under(start_in(transmit, SYS_sendto));
}

/* The exit ends the call too, and with it the last reference goes. */
SCENE(writer_at_exit, "writer-at-exit")
{
    fd = owner_takes_one();
    owner_sends(FEW);
    start_in(transmit, SYS_sendto);
    exit(0);
}

/* ---- Those who only watch -------------------------------------------------------------------- */

static int timer_ms = -1;

static void *watch(void *unused)
{
    struct pollfd set = {.fd = fd, .events = POLLPRI};

    tid = gettid();
    result = poll(&set, 1, timer_ms);
    return unused;
}

#ifndef SYS_poll /* then poll(3) makes the other */
#define SYS_poll SYS_ppoll
#endif

/* A thread in poll has a reference, too; it takes nothing, and its end is the connection's. */
SCENE(watcher, "watcher")
{
    fd = owner_takes_one();
    owner_sends(FEW);
    pthread_t thread = start_in(watch, SYS_poll);
    must(close(fd), "close");
    owner_ask('F', 0);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, NULL);
    struct owner_answer end = owner_ask('R', 0);
    owner_say("peer: %ld bytes, %s\n", end.bytes, end.error ? strerrorname_np(end.error) : "end");
}

static void nothing(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    struct sigaction interrupts = {.sa_handler = nothing};

    (void)argc;
    sigaction(SIGUSR1, &interrupts, NULL);
    return owner_plays(argv[1]);
}
