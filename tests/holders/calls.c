/*
 * calls SCENE [nobody]: in a program with threads one closes a connection while the others are in
 * calls on it, or in calls on something else, or in none. What the first were going to read or write
 * is theirs, as without the library; beside the others an end with unread data is mended.
 *
 * With "nobody" the program gave up its rights first, and so may not look into its own threads.
 */
#define _GNU_SOURCE
#include "calls.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <sys/syscall.h>

enum { MUCH = 20 * 1024 * 1024, FEW = 5, ROUNDS = 20 };

static int fd;
static ssize_t result;
static int error;
static unsigned char bytes[OWNER_BYTES];

/* Whoever wants to take something that isn't his has the time for it. */
static void a_moment(void)
{
    usleep(200000);
}

/* ---- Readers --------------------------------------------------------------------------------- */

static int read_from; /* the number */
static long wanted;
static int receive_flags;

static void *receive(void *unused)
{
    calls_announce();
    result = recv(read_from, bytes, (size_t)wanted, receive_flags);
    error = errno;
    return unused;
}

static pthread_t start_reader(int number, long count, int flags)
{
    read_from = number;
    wanted = count;
    receive_flags = flags;
    return calls_start_asleep(receive);
}

static void say_result(void)
{
    owner_say("reader: %zd bytes, %s, %s\n", result,
              result < 0 || owner_right(bytes, 0, result) ? "right" : "wrong",
              result < 0 ? strerrorname_np(error) : "no error");
}

static void say_what_came(pthread_t reader)
{
    owner_ask('F', 0); /* so that one that was robbed doesn't wait for ever */
    pthread_join(reader, NULL);
    say_result();
}

/* Nothing is unread. */
SCENE(reader, "reader")
{
    fd = owner_takes_one();
    pthread_t thread = start_reader(fd, OWNER_BYTES, 0);
    must(close(fd), "close");
    a_moment();
    owner_sends(OWNER_BYTES);
    say_what_came(thread);
    owner_peer_reads();
}

/* Its number is closed before the one that leads to the same connection. */
SCENE(reader_by_second_number, "reader-by-second-number")
{
    fd = owner_takes_one();
    int other = must(dup(fd), "duplicate");
    pthread_t thread = start_reader(other, OWNER_BYTES, 0);
    must(close(other), "close");
    must(close(fd), "close");
    a_moment();
    owner_sends(OWNER_BYTES);
    say_what_came(thread);
    owner_peer_reads();
}

/* Some of what it waits for is unread. */
static void read_more(bool by_second_number, useconds_t after)
{
    int least = OWNER_BYTES;

    fd = owner_takes_one();
    int number = by_second_number ? must(dup(fd), "duplicate") : fd;
    must(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least), "set a low mark");
    pthread_t thread = start_reader(number, OWNER_BYTES, 0);
    if (by_second_number)
        must(close(number), "close");
    owner_sends(FEW);
    must(close(fd), "close");
    usleep(after);
    owner_sends(OWNER_BYTES - FEW);
    say_what_came(thread);
    owner_peer_reads();
}

SCENE(reader_of_more, "reader-of-more")
{
    read_more(false, 200000);
}

SCENE(reader_of_more_by_second_number, "reader-of-more-by-second-number")
{
    read_more(true, 200000);
}

/* Longer than anybody has to look for a proof. */
SCENE(reader_of_more_for_long, "reader-of-more-for-long")
{
    read_more(false, 2500000);
}

static atomic_bool received;

static int receive_in_clone(void *unused)
{
    receive(unused);
    received = true;
    return 0;
}

/* libc knows nothing of the thread, and says that there is none. */
SCENE(reader_of_more_in_clone, "reader-of-more-in-clone")
{
    static char stack[65536] __attribute__((aligned(16)));
    const int thread =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    int least = OWNER_BYTES;
    int tid;

    read_from = fd = owner_takes_one();
    wanted = OWNER_BYTES;
    must(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least), "set a low mark");
    must(clone(receive_in_clone, stack + sizeof stack, thread, NULL), "clone");
    while ((tid = calls_tid) == 0)
        sched_yield();
    if (!net_wait_until(calls_sleeps, &tid))
        unable("have a thread sleep");
    owner_sends(FEW);
    must(close(fd), "close");
    a_moment();
    owner_sends(OWNER_BYTES - FEW);
    owner_ask('F', 0);
    while (!received)
        sched_yield();
    say_result();
    owner_peer_reads();
}

/* What it has seen stays unread. */
SCENE(peeker, "peeker")
{
    fd = owner_takes_one();
    owner_sends(FEW);
    pthread_t thread = start_reader(fd, OWNER_BYTES, MSG_PEEK | MSG_WAITALL);
    must(close(fd), "close");
    a_moment();
    owner_sends(OWNER_BYTES - FEW);
    say_what_came(thread);
}

/* ---- Splice ---------------------------------------------------------------------------------- */

static int filled[2];

static void *splice_all(void *unused)
{
    calls_announce();
    result = splice(fd, NULL, filled[1], NULL, OWNER_BYTES, 0);
    return unused;
}

static long fill_pipe(void)
{
    static const char block[4096];
    long size = 0;
    ssize_t n;

    must(pipe2(filled, O_NONBLOCK), "make a pipe");
    while ((n = write(filled[1], block, sizeof block)) > 0)
        size += n;
    for (int i = 0; i < 2; i++)
        must(fcntl(filled[i], F_SETFL, 0), "set blocking");
    return size;
}

/* It has to wait for its pipe, not for the connection, all of whose data are unread. */
SCENE(splicer, "splicer")
{
    long in_pipe = fill_pipe();

    fd = owner_takes_one();
    owner_sends(OWNER_BYTES);
    pthread_t thread = calls_start_asleep(splice_all);
    must(close(fd), "close");
    a_moment();
    while (in_pipe > 0)
        in_pipe -= read(filled[0], bytes, OWNER_BYTES < in_pipe ? OWNER_BYTES : (size_t)in_pipe);
    pthread_join(thread, NULL);
    if (result > 0)
        result = read(filled[0], bytes, (size_t)result);
    owner_say("splice: %zd bytes, %s\n", result, owner_right(bytes, 0, result) ? "right" : "wrong");
    owner_peer_reads();
}

/* ---- Writers --------------------------------------------------------------------------------- */

static void *transmit(void *unused)
{
    unsigned char *much = malloc(MUCH);

    for (long i = 0; i < MUCH; i++)
        much[i] = owner_byte(i);
    calls_announce();
    result = send(fd, much, MUCH, MSG_NOSIGNAL);
    free(much);
    return unused;
}

/* Closes the number while a thread sleeps in this, and then has the peer read. */
static void close_beside(void *(*routine)(void *), const char *name)
{
    pthread_t thread = calls_start_asleep(routine);
    must(close(fd), "close");
    a_moment();
    struct owner_answer end = owner_ask('R', 0);
    pthread_join(thread, NULL);
    owner_say("%s: %zd bytes\n", name, result);
    owner_says_peer_read(end);
}

/* So few are unread that the writer's end would reset the connection, and lose what it wrote. */
SCENE(writer, "writer")
{
    fd = owner_takes_one();
    owner_sends(FEW);
    close_beside(transmit, "writer");
}

/* The lower 32 bits of its address look like number 0: it is moved there. */
static aio_context_t context_like_number(void)
{
    const uint64_t all = 1ULL << 32;
    aio_context_t context = 0;

    must((int)syscall(SYS_io_setup, 1, &context), "have a context");
    /* As much as its head says: as many events, each as long as the head. */
    size_t size = (((const uint32_t *)context)[1] + 1) * sizeof(struct io_event);
    size = (size + 4095) & ~4095ULL;
    char *room =
        mmap(NULL, all + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        unable("have room");
    char *there = room + (-(uintptr_t)room & (all - 1));
    if (mremap((void *)context, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, there) != there)
        unable("move a context");
    return (aio_context_t)there;
}

static void *submit(void *unused)
{
    aio_context_t context = context_like_number();
    unsigned char *much = malloc(MUCH);
    struct iocb order = {.aio_fildes = (unsigned)fd,
                         .aio_lio_opcode = IOCB_CMD_PWRITE,
                         .aio_buf = (uintptr_t)much,
                         .aio_nbytes = MUCH};
    struct iocb *orders[] = {&order};
    struct io_event done;

    for (long i = 0; i < MUCH; i++)
        much[i] = owner_byte(i);
    calls_announce();
    must((int)syscall(SYS_io_submit, context, 1, orders), "submit");
    must((int)syscall(SYS_io_getevents, context, 1, 1, &done, NULL), "get what came of it");
    result = (ssize_t)done.res;
    free(much);
    return unused;
}

/* The call's first argument is no number, and may look like that of something else. */
SCENE(submitter, "submitter")
{
    signal(SIGPIPE, SIG_IGN);
    fd = owner_takes_one();
    close_beside(submit, "submitter");
}

/* Goes on as long as the process does. */
static void *write_on(void *unused)
{
    calls_announce();
    for (;;) {
        if (write(fd, bytes, sizeof bytes) < 0)
            continue;
        usleep(200);
    }
    return unused;
}

/* In a child, whose status is looked at. */
SCENE(exit_beside_writer, "exit-beside-writer")
{
    int status;
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        fd = owner_takes_one();
        owner_begins_to_ask('R', 0);
        calls_start_asleep(write_on);
        a_moment();
        exit(7);
    }
    must(waitpid(child, &status, 0), "wait for a child");
    owner_say("child ended with status %#x\n", (unsigned)status);
    owner_hears();
}

/* ---- Those who are elsewhere ----------------------------------------------------------------- */

static void close_unread(void)
{
    fd = owner_takes_one();
    owner_sends(OWNER_BYTES);
    must(close(fd), "close");
    calls_say_end_and_when();
}

SCENE(busy, "busy")
{
    calls_start_busy(4);
    close_unread();
}

SCENE(idle, "idle")
{
    for (int i = 0; i < 200; i++)
        calls_start_asleep(calls_sleep);
    close_unread();
}

SCENE(elsewhere, "elsewhere")
{
    calls_start_elsewhere();
    close_unread();
    calls_end_elsewhere();
}

/* Cancelled in a call on it, and on its way out when another closes it. */
SCENE(cancelled, "cancelled")
{
    struct calls_tally tally = {0};
    int listener = owner_listens();

    for (int i = 0; i < ROUNDS; i++) {
        fd = owner_takes(listener);
        owner_sends(FEW);
        pthread_t thread = start_reader(fd, OWNER_BYTES, MSG_PEEK | MSG_WAITALL);
        pthread_cancel(thread);
        must(close(fd), "close");
        calls_tally_end(&tally);
        pthread_join(thread, NULL);
    }
    calls_say_tally(&tally);
}

/* ---- The number is another's ----------------------------------------------------------------- */

static int listening;
static atomic_bool closed;

/* Takes the next connection under the number of the one before, and waits for what comes on it. */
static void *take_and_receive(void *unused)
{
    while (!closed)
        ;
    int number = must(accept(listening, NULL, NULL), "accept");
    if (number != fd)
        owner_say("the number is %d, not %d\n", number, fd);
    calls_announce();
    result = recv(number, bytes, OWNER_BYTES, MSG_WAITALL);
    error = errno;
    close(number);
    return unused;
}

SCENE(reused_number, "reused-number")
{
    struct calls_tally tally = {0};
    int whole = 0;

    listening = owner_listens();
    calls_start_busy(2);
    for (int i = 0; i < ROUNDS; i++) {
        closed = false;
        fd = owner_takes(listening);
        owner_sends(OWNER_BYTES);
        owner_ask('M', 1);
        pthread_t thread = calls_start(take_and_receive);
        must(close(fd), "close");
        closed = true;
        calls_tally_end(&tally);
        owner_ask('m', OWNER_BYTES);
        pthread_join(thread, NULL);
        whole += result == OWNER_BYTES && owner_right(bytes, 0, result);
        owner_ask('r', 0);
    }
    calls_say_tally(&tally);
    owner_say("%d of %d got what came on the new one\n", whole, ROUNDS);
}

/* ---- In an epoll set --------------------------------------------------------------------------- */

/* By a number that is another's or nobody's by now, so nobody can take it out of the set: as long as the
 * connection lives the program would get events for it. */
SCENE(in_epoll_set, "in-epoll-set")
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set");

    calls_start_asleep(calls_sleep);
    fd = owner_takes_one();
    int other = must(dup(fd), "duplicate");
    must(epoll_ctl(set, EPOLL_CTL_ADD, other, &event), "add to an epoll set");
    must(close(other), "close");
    owner_sends(OWNER_BYTES);
    must(close(fd), "close");
    owner_say("%d events\n", epoll_wait(set, &event, 1, 0));
    calls_say_end_and_when();
}

/* ---- A signal handler in the middle of a close ------------------------------------------------ */

enum { CONNECTIONS = 200, AT_A_TIME = 50 };

static int many[CONNECTIONS];
static atomic_int left_to_handler = -1;
static atomic_bool all_closed;

static void close_in_handler(int signal)
{
    int saved_errno = errno;
    int number = atomic_exchange(&left_to_handler, -1);

    (void)signal;
    if (number >= 0)
        close(number);
    errno = saved_errno;
}

static void *interrupt(void *thread)
{
    while (!all_closed) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        usleep(50);
    }
    return NULL;
}

SCENE(interrupted, "interrupted")
{
    struct sigaction action = {.sa_handler = close_in_handler, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self();
    pthread_t other;

    calls_take_many(many, CONNECTIONS, AT_A_TIME, FEW);
    sigaction(SIGUSR1, &action, NULL);
    other = start_thread(interrupt, &self);
    for (int i = 0; i + 1 < CONNECTIONS; i += 2) {
        left_to_handler = many[i];
        must(close(many[i + 1]), "close");
        while (left_to_handler >= 0)
            sched_yield();
    }
    all_closed = true;
    pthread_join(other, NULL);
    owner_say("%d of %d connections reset\n", owner_ask('r', 0).error, CONNECTIONS);
}

/* ---- A signal handler before the real close ----------------------------------------------------- */

/* calls_handler_lib.c below the library calls a handler of SIGUSR1 when that has handed over what is
 * closed, and the number is still open. */

static struct owner_gate reader_may;
static struct owner_gate reader_has;

static void *receive_when_told(void *unused)
{
    owner_waits(reader_may);
    result = recv(fd, bytes, OWNER_BYTES, MSG_DONTWAIT);
    error = errno;
    owner_opens(reader_has);
    return unused;
}

static void let_reader_read(void)
{
    a_moment();
    owner_opens(reader_may);
    owner_waits(reader_has);
}

static void duplicate_nothing(int signal)
{
    (void)signal;
    if (dup2(-1, fd) != -1)
        _exit(97);
    let_reader_read();
}

static void mark_range(int signal)
{
    (void)signal;
    if (close_range((unsigned)fd, (unsigned)fd, CLOSE_RANGE_CLOEXEC) != 0)
        _exit(97);
    let_reader_read();
}

/* What it calls closes nothing. */
static void close_with_handler(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};

    reader_may = owner_gate();
    reader_has = owner_gate();
    fd = owner_takes_one();
    pthread_t thread = calls_start(receive_when_told);
    owner_sends(FEW);
    sigaction(SIGUSR1, &action, NULL);
    must(close(fd), "close");
    say_what_came(thread);
    owner_peer_reads();
}

SCENE(handler_dup2, "handler-dup2")
{
    close_with_handler(duplicate_nothing);
}

SCENE(handler_close_range, "handler-close_range")
{
    close_with_handler(mark_range);
}

/* ---- A fork child has it too ------------------------------------------------------------------ */

static void close_in_parent_and_child(bool parent_first)
{
    struct owner_gate gate = owner_gate();

    calls_start_asleep(calls_sleep);
    calls_start_busy(1);
    fd = owner_takes_one();
    owner_sends(OWNER_BYTES);
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        owner_waits(gate);
        must(close(fd), "close");
        _exit(0);
    }
    if (parent_first)
        must(close(fd), "close");
    a_moment();
    owner_opens(gate);
    owner_reaps(child);
    if (!parent_first)
        must(close(fd), "close");
    calls_say_end_and_when();
}

SCENE(parent_then_child, "parent-then-child")
{
    close_in_parent_and_child(true);
}

SCENE(child_then_parent, "child-then-parent")
{
    close_in_parent_and_child(false);
}

/* What the parent's close leaves of it for the child. */
SCENE(lingering_child, "lingering-child")
{
    struct linger linger = {1, 5};
    socklen_t len = sizeof linger;
    struct owner_gate gate = owner_gate();

    calls_start_asleep(calls_sleep);
    fd = owner_takes_one();
    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, len), "set SO_LINGER");
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        owner_waits(gate);
        must(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len), "ask for SO_LINGER");
        owner_say("child: linger %d %d\n", linger.l_onoff, linger.l_linger);
        _exit(0);
    }
    must(close(fd), "close");
    a_moment();
    owner_opens(gate);
    owner_reaps(child);
    owner_peer_reads();
}

/* Both have closed it when the parent's reader leaves its call, and some is unread. */
SCENE(reader_beside_child, "reader-beside-child")
{
    struct owner_gate gate = owner_gate();

    fd = owner_takes_one();
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        owner_waits(gate);
        must(close(fd), "close");
        _exit(0);
    }
    pthread_t thread = start_reader(fd, OWNER_BYTES, MSG_WAITALL);
    must(close(fd), "close");
    owner_opens(gate);
    owner_reaps(child);
    owner_sends(OWNER_BYTES + FEW);
    say_what_came(thread);
    owner_peer_reads();
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[2], "nobody") == 0)
        calls_become_nobody();
    return owner_plays(argv[1]);
}
