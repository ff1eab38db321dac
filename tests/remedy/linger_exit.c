/*
 * linger_exit SCENE: a program that ends, in one way or another, while connections are open whose
 * end would lose output. Its peer is linger_process_peer.
 */
#define _GNU_SOURCE
#include "linger_process.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

static int listener;

/* Open at the end, and the peer sends late data. */
static int open_late(void)
{
    int fd;

    listener = owner_listens();
    fd = linger_at_risk(listener, MUCH);
    linger_asks(ASK_LATE, EVERY);
    return fd;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

SCENE(ends_by_return, "return")
{
    open_late();
}

SCENE(ends_by_exit, "exit")
{
    open_late();
    exit(3);
}

SCENE(ends_by__exit, "_exit")
{
    open_late();
    _exit(4);
}

SCENE(ends_by_Exit, "_Exit")
{
    open_late();
    _Exit(5);
}

SCENE(ends_by_quick_exit, "quick_exit")
{
    open_late();
    quick_exit(6);
}

SCENE(ends_by_exit_group, "exit_group")
{
    open_late();
    syscall(SYS_exit_group, 7);
}

SCENE(ends_with_last_thread, "last-thread")
{
    open_late();
    pthread_exit(NULL);
}

static pthread_t main_thread;

static void *exits(void *unused)
{
    pthread_join(main_thread, NULL);
    exit(8);
    return unused;
}

static void *exits_at_once(void *unused)
{
    exit(8);
    return unused;
}

static void *closes_and_returns(void *argument)
{
    pthread_join(main_thread, NULL);
    must(close(*(int *)argument), "close");
    return argument;
}

static void start(void *(*routine)(void *), void *argument)
{
    main_thread = pthread_self();
    start_thread(routine, argument);
}

/* The main thread is a zombie by then. */
SCENE(other_thread_exits, "other-thread-exits")
{
    open_late();
    start(exits, NULL);
    pthread_exit(NULL);
}

SCENE(other_thread_goes_on, "other-thread-goes-on")
{
    static int fd;

    fd = open_late();
    start(closes_and_returns, &fd);
    pthread_exit(NULL);
}

SCENE(exit_in_thread, "exit-in-thread")
{
    open_late();
    start(exits_at_once, NULL);
    pause();
}

static int to_close;

static void closes(void)
{
    must(close(to_close), "close");
}

SCENE(close_in_handler, "close-in-handler")
{
    atexit(closes);
    to_close = open_late();
    exit(9);
}

/* In the lot already, most of them. */
SCENE(many, "many")
{
    listener = owner_listens();
    for (int i = 0; i < 40; i++) {
        int fd = linger_at_risk(listener, 50000);
        if (i % 4)
            must(close(fd), "close");
    }
    linger_asks(ASK_LATE, EVERY);
    exit(0);
}

/* ---- How long it waits ----------------------------------------------------------------------- */

/* The peer does nothing before the program has ended. */
SCENE(peer_waits, "peer-waits")
{
    listener = owner_listens();
    for (int i = 0; i < 5; i++) {
        int fd = linger_at_risk(listener, MUCH);
        if (i > 2)
            must(close(fd), "close");
    }
    linger_asks(ASK_HOLD, EVERY);
    exit(0);
}

/* A lot, and nobody in it. */
SCENE(nothing_parked, "nothing-parked")
{
    listener = owner_listens();
    must(close(linger_at_risk(listener, FEW)), "close");
    linger_asks(ASK_LATE, EVERY);
    linger_asks(ASK_WAIT, 0);
    exit(0);
}

SCENE(no_connection, "no-connection")
{
    listener = owner_listens();
    exit(0);
}

/* ---- Fork per connection --------------------------------------------------------------------- */

static void serve_and_end(int fd, int i)
{
    linger_writes(fd, 100000);
    switch (i % 4) {
    case 0:
        close(fd);
        _exit(0);
    case 1:
        close(fd);
        exit(0);
    case 2:
        _exit(0);
    default:
        exit(0);
    }
}

/* Each is given to a child that is gone before its peer begins to read. */
SCENE(child_per_connection, "child-per-connection")
{
    listener = owner_listens();
    for (int i = 0; i < 12; i++) {
        int fd = linger_takes(listener);
        pid_t pid = must(fork(), "fork");
        if (pid == 0)
            serve_and_end(fd, i);
        close(fd);
        owner_reaps(pid);
    }
    linger_asks(ASK_LATE, EVERY);
    linger_asks(ASK_WAIT, 0);
    exit(0);
}

/* Its parent and the parent's lot are gone. */
static void parent_is_gone(bool had_lot)
{
    struct owner_gate gone = owner_gate();
    int fd = -1;

    listener = owner_listens();
    if (had_lot)
        fd = linger_takes(listener);
    pid_t pid = must(fork(), "fork");
    if (pid > 0)
        _exit(0);
    /* Until the other end of it is the last one's. */
    close(gone.ends[1]);
    if (read(gone.ends[0], &pid, 1) != 0)
        unable("see the parent end");
    if (!had_lot)
        fd = linger_takes(listener);
    linger_writes(fd, MUCH);
    linger_asks(ASK_LATE, EVERY);
    close(fd);
    exit(0);
}

SCENE(child_of_the_dead, "child-of-the-dead")
{
    parent_is_gone(true);
}

SCENE(child_starts_first_lot, "child-starts-first-lot")
{
    parent_is_gone(false);
}

/* A daemon's worker that goes on accepting. */
SCENE(child_accepts_after_parent, "child-accepts-after-parent")
{
    struct owner_gate gone = owner_gate();

    listener = owner_listens();
    must(close(linger_at_risk(listener, FEW)), "close");
    linger_asks(ASK_LATE, EVERY);
    linger_asks(ASK_WAIT, 0);
    pid_t pid = must(fork(), "fork");
    if (pid > 0)
        exit(0);
    close(gone.ends[1]);
    if (read(gone.ends[0], &pid, 1) != 0)
        unable("see the parent end");
    for (int i = 0; i < 5; i++)
        must(close(linger_at_risk(listener, 100000)), "close");
    linger_asks(ASK_LATE, EVERY);
    linger_asks(ASK_WAIT, 0);
    exit(0);
}

/* ---- Streams --------------------------------------------------------------------------------- */

enum { PRINTED = 3000 }; /* less than a stream's buffer */

static void print(FILE *stream)
{
    for (int i = 0; i < PRINTED; i++)
        putc(owner_byte(i), stream);
    linger_asks(ASK_EXPECT, PRINTED);
    linger_asks(ASK_LATE, EVERY);
}

static FILE *printed(void)
{
    FILE *stream;

    listener = owner_listens();
    stream = fdopen(linger_takes(listener), "r+");
    if (!stream)
        unable("make a stream");
    print(stream);
    return stream;
}

SCENE(stream_at_exit, "stream-at-exit")
{
    printed();
    exit(0);
}

SCENE(stream_at__exit, "stream-at-_exit")
{
    if (fflush(printed()) != 0)
        unable("flush");
    _exit(0);
}

SCENE(stream_closed, "stream-closed")
{
    owner_say("fclose %d\n", fclose(printed()));
    exit(0);
}

SCENE(stream_reopened, "stream-reopened")
{
    FILE *stream = freopen("/dev/null", "w", printed());

    owner_say("freopen %d\n", stream != NULL);
    exit(0);
}

SCENE(streams_closed_by_fcloseall, "streams-fcloseall")
{
    printed();
    owner_say("fcloseall %d\n", fcloseall());
    exit(0);
}

SCENE(stream_unread, "stream-unread")
{
    FILE *stream;

    listener = owner_listens();
    stream = fdopen(linger_takes(listener), "r");
    if (!stream || getc(stream) < 0) /* the rest is in its buffer */
        unable("read a stream");
    linger_writes(fileno(stream), MUCH);
    linger_asks(ASK_LATE, EVERY);
    owner_say("fclose %d\n", fclose(stream));
    exit(0);
}

/* More than are remembered by name. */
SCENE(many_streams, "many-streams")
{
    listener = owner_listens();
    for (int i = 0; i < 100; i++) {
        FILE *stream = fdopen(linger_takes(listener), "w");
        if (!stream)
            unable("make a stream");
        for (int j = 0; j < PRINTED; j++)
            putc(owner_byte(j), stream);
        linger_asks(ASK_EXPECT, PRINTED);
    }
    linger_asks(ASK_READ, EVERY);
    exit(0);
}

/* As an inetd does it: a child of the super-server has the connection for its standard streams. */
static void inetd(bool reopens)
{
    int fd;
    pid_t pid;

    listener = owner_listens();
    fd = linger_takes(listener);
    pid = must(fork(), "fork");
    if (pid == 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        close(fd);
        print(stdout);
        if (reopens) {
            fclose(stdin);
            if (!freopen("/dev/null", "w", stdout))
                _exit(1);
        }
        exit(0);
    }
    close(fd);
    owner_reaps(pid);
    linger_asks(ASK_WAIT, 0);
    exit(0);
}

SCENE(inetd_exits, "inetd-exits")
{
    inetd(false);
}

SCENE(inetd_reopens, "inetd-reopens")
{
    inetd(true);
}

/* Somebody else is in the middle of a call on the stream, and keeps its lock. */
static void *reads_for_ever(void *stream)
{
    while (getc(stream) != EOF)
        ;
    return NULL;
}

SCENE(stream_in_use, "stream-in-use")
{
    FILE *stream;

    listener = owner_listens();
    stream = fdopen(linger_takes(listener), "r");
    if (!stream)
        unable("make a stream");
    start(reads_for_ever, stream);
    linger_writes(fileno(stream), FEW);
    linger_asks(ASK_READ, EVERY);
    exit(0);
}

/* ---- A lot that no signal gets out of its call ------------------------------------------------- */

/* The thread of the parent that is a lot. */
static int lot_thread(void)
{
    char path[300], name[20];
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", (int)getppid());
    DIR *tasks = opendir(path);
    while (tasks && (entry = readdir(tasks))) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)getppid(), entry->d_name);
        FILE *file = fopen(path, "r");
        bool is_lot = file && fgets(name, sizeof name, file) && !strcmp(name, "safeclose-lot\n");

        if (file)
            fclose(file);
        if (is_lot)
            return atoi(entry->d_name);
    }
    errno = ESRCH;
    unable("find the lot");
}

/* A tracer holds it, until the process ends. */
static _Noreturn void stops_lot(struct owner_gate start, struct owner_gate stopped)
{
    owner_waits(start);
    int tid = lot_thread();

    must((int)ptrace(PTRACE_SEIZE, tid, NULL, NULL), "trace the lot");
    must((int)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), "stop the lot");
    must(waitpid(tid, NULL, __WALL), "see the lot stopped");
    owner_opens(stopped);
    while (waitpid(tid, NULL, __WALL) > 0)
        ;
    _exit(0);
}

/* The feed is the only socket of its kind. */
static void close_feed(void)
{
    for (int fd = 3; fd < 2000; fd++) {
        int kind = 0;
        socklen_t len = sizeof kind;

        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &len) == 0 && kind == SOCK_SEQPACKET)
            must(close_range((unsigned)fd, (unsigned)fd, 0), "close the feed");
    }
}

SCENE(lot_is_stopped, "lot-is-stopped")
{
    struct owner_gate start = owner_gate(), stopped = owner_gate();
    int fd;

    if (must(fork(), "fork") == 0)
        stops_lot(start, stopped);
    fd = open_late();
    owner_opens(start);
    owner_waits(stopped);
    close_feed();
    must(close(fd), "close");
    exit(0);
}

int main(int argc, char **argv)
{
    return owner_plays(argc == 2 ? argv[1] : NULL);
}
