/*
 * Closing where it is awkward, in this process: in a signal handler, on a stack of 8 kB, from many
 * threads, where a cancellation is pending, without descriptors, rights or files.
 */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- Signal handlers ------------------------------------------------------------------------------ */

static volatile int handlers_fd;
static struct closed handlers_result;

static void close_in_handler(int signal)
{
    (void)signal;
    handlers_result = program_close(handlers_fd);
}

/* errno as the interrupted code sees it is the handler's to keep: close() must not have changed it.
 */
VERB(do_close_in_handler, rest, "closes in a signal handler")
{
    struct sigaction action = {.sa_handler = close_in_handler};

    handlers_fd = program_connection();
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    program_says_closed("close", handlers_result);
    program_drops(handlers_fd);
}

static volatile sig_atomic_t
    closing; /* main is between the first and last instruction of a close */
static volatile sig_atomic_t handlers_next, handlers_right;

static void close_next_in_handler(int signal)
{
    (void)signal;
    if (!closing || handlers_next == program.count)
        return;
    struct closed closed = program_close(program.connections[handlers_next++]);
    handlers_right += closed.result == 0 && closed.error == SCENE_KEPT;
}

/* For the handler to interrupt: a socket that was never connected, of which nobody reports
 * anything. */
static int interrupted_close(int fd)
{
    closing = 1;
    int result = close(fd >= 0 ? fd : socket(AF_INET, SOCK_STREAM, 0));
    closing = 0;
    return result;
}

/*
 * Half of the connections are closed by the main program, half by handlers that interrupt it while
 * it closes. A handler that finds no close in progress does nothing, so the storm goes on until
 * each of its connections has had one.
 */
VERB(do_close_all_in_storm, rest, "closes all in a storm of signals")
{
    const struct itimerval often = {{.tv_usec = 50}, {.tv_usec = 50}}, never = {{0}, {0}};
    struct sigaction action = {.sa_handler = close_next_in_handler, .sa_flags = SA_RESTART};
    int half = program.count / 2, right = 0;

    handlers_next = half;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < half; i++)
        right += interrupted_close(program.connections[i]) == 0;
    for (time_t end = time(NULL) + 20; handlers_next < program.count && time(NULL) < end;)
        interrupted_close(-1);
    setitimer(ITIMER_REAL, &never, NULL);
    scene_say("closed=%d of %d", right, half);
    scene_say("closed_by_handlers=%d of %d", handlers_right, program.count - half);
    program.count = 0;
}

/* ---- A small stack -------------------------------------------------------------------------------- */

enum { SMALL_STACK = 8192 };

static ucontext_t coroutine, back;
static struct closed coroutines_result;

static void close_in_coroutine(void)
{
    coroutines_result = program_close(program_connection());
}

/* Below the stack is a page that may not be touched: one byte too many is SIGSEGV. */
VERB(do_close_on_small_stack, rest, "closes on a stack of 8 kB")
{
    long page = sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, page + SMALL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0 ||
        getcontext(&coroutine) != 0)
        scene_fail("make a small stack");
    coroutine.uc_stack.ss_sp = memory + page;
    coroutine.uc_stack.ss_size = SMALL_STACK;
    coroutine.uc_link = &back;
    makecontext(&coroutine, close_in_coroutine, 0);
    if (swapcontext(&back, &coroutine) != 0)
        scene_fail("run on a small stack");
    long untouched = 0;
    while (untouched < SMALL_STACK && memory[page + untouched] == 0)
        untouched++;
    scene_say("~stack_used=%ld", SMALL_STACK - untouched);
    program_says_closed("close", coroutines_result);
    program_drops(program_connection());
}

/* ---- Threads -------------------------------------------------------------------------------------- */

static int main_tid;
static struct closed threads_result;

/* Once main is seen to wait: what it might be in the middle of is no question then. */
static void *close_in_thread(void *unused)
{
    if (!net_wait_thread_in(main_tid, SYS_futex))
        scene_fail("see the main thread wait");
    scene_say("~tid=%d", gettid());
    threads_result = program_close(program_connection());
    return unused;
}

VERB(do_close_from_thread, rest, "closes from a thread")
{
    pthread_t thread;

    main_tid = gettid();
    if (pthread_create(&thread, NULL, close_in_thread, NULL) != 0)
        scene_fail("start a thread");
    pthread_join(thread, NULL);
    program_says_closed("close", threads_result);
    program_drops(program_connection());
}

enum { THREADS = 16 };

static pthread_barrier_t barrier;

/* Closes every sixteenth connection; returns how many closes went as they should. */
static void *close_share(void *first)
{
    long right = 0;

    pthread_barrier_wait(&barrier);
    for (int i = (int)(long)first; i < program.count; i += THREADS) {
        struct closed closed = program_close(program.connections[i]);
        right += closed.result == 0 && closed.error == SCENE_KEPT;
    }
    return (void *)right;
}

VERB(do_close_all_from_threads, rest, "closes all from 16 threads")
{
    pthread_t threads[THREADS];
    long right = 0;

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, close_share, (void *)i) != 0)
            scene_fail("start a thread");
    for (int i = 0; i < THREADS; i++) {
        void *its;
        pthread_join(threads[i], &its);
        right += (long)its;
    }
    scene_say("closed=%ld of %d", right, program.count);
    program.count = 0;
}

static void *idle(void *unused)
{
    for (;;)
        sleep(1000);
    return unused;
}

/* From here on it is a program with threads. */
VERB(do_idle_in_thread, rest, "idles in a thread")
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, idle, NULL) != 0)
        scene_fail("start a thread");
}

/* close() is a cancellation point: with a cancellation pending the thread ends in it. */
static void *close_when_cancelled(void *unused)
{
    pthread_cancel(pthread_self());
    program_close(program_connection());
    return unused;
}

/* The kernel is asked without the library: whether the number is still open, and what is unread. */
VERB(do_close_with_cancellation, rest, "closes with a cancellation pending")
{
    int fd = program_connection();
    pthread_t thread;
    void *result;

    if (pthread_create(&thread, NULL, close_when_cancelled, NULL) != 0)
        scene_fail("start a thread");
    pthread_join(thread, &result);
    scene_say("cancelled=%s", result == PTHREAD_CANCELED ? "yes" : "no");
    scene_say("open=%s", syscall(SYS_fcntl, fd, F_GETFD) >= 0 ? "yes" : "no");
    scene_say("unread=%d", net_unread(fd));
}

/* ---- Poverty -------------------------------------------------------------------------------------- */

VERB(do_use_up_descriptors, rest, "uses up all descriptors")
{
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        continue;
    scene_say("open=%s", scene_errno(errno));
}

VERB(do_enter_root, directory, "enters the root")
{
    if (chroot(directory) != 0 || chdir("/") != 0)
        scene_fail("enter the root %s", directory);
}

VERB(do_become_nobody, rest, "becomes nobody")
{
    enum { NOBODY = 65534 };

    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        scene_fail("become nobody");
}

/* As daemons do; and then a connection may be number 2. */
VERB(do_close_stdio, rest, "closes stdio")
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
}
