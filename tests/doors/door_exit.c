/* Doors of the end: every way for a process to end with connections open, and children that share
 * their parent's memory. What comes behind such a door is the witness's to tell. */
#define _GNU_SOURCE
#include "door.h"

#include <pthread.h>

extern char **environ;

static const char words[] = "words that were never flushed;";

/* ---- Ends ----------------------------------------------------------------------------------------- */

ACT(do_return, "return")
{
}

ACT(do_exit, "exit")
{
    exit(3);
}

ACT(do_exit_now, "_exit")
{
    by__exit(4);
}

ACT(do_exit_c99, "_Exit")
{
    _Exit(5);
}

static void first_registered(void)
{
    say("handler registered first");
}

static void second_registered(void)
{
    say("handler registered second");
}

static void at_quick_end(void (*handler)(void))
{
    if (at_quick_exit(handler) != 0)
        cannot("register a handler");
}

ACT(do_quick_exit, "quick_exit")
{
    at_quick_end(first_registered);
    at_quick_end(second_registered);
    atexit(first_registered); /* not for quick_exit */
    quick_exit(6);
}

static void say_status(int status, void *argument)
{
    say("on_exit %d %s", status, (const char *)argument);
}

ACT(do_exit_handlers, "exit with handlers")
{
    atexit(first_registered);
    on_exit(say_status, (void *)"argument");
    atexit(second_registered);
    exit(7);
}

static void exits_again(void)
{
    say("exits again");
    exit(9);
}

ACT(do_exit_in_handler, "exit in a handler")
{
    atexit(first_registered);
    atexit(exits_again);
    exit(8);
}

static void closes_connection(void)
{
    CALL("handler closes", close(door.fd));
}

ACT(do_close_in_handler, "close in a handler")
{
    atexit(closes_connection);
    exit(0);
}

ACT(do_close_in_quick_handler, "close in a quick handler")
{
    at_quick_end(closes_connection);
    quick_exit(0);
}

/* All that is unread must still be there for a handler. */
static void reads_connection(void)
{
    static char block[65536];

    say("handler reads=%zd", recv(door.fd, block, sizeof block, MSG_DONTWAIT));
    say("handler writes=%zd", write(door.fd, "bye", 3));
}

ACT(do_read_in_handler, "read in a handler")
{
    atexit(reads_connection);
    exit(0);
}

ACT(do_read_in_quick_handler, "read in a quick handler")
{
    at_quick_end(reads_connection);
    quick_exit(0);
}

static bool destructor_reads;

__attribute__((destructor)) static void at_destruction(void)
{
    if (destructor_reads)
        reads_connection();
}

ACT(do_read_in_destructor, "read in a destructor")
{
    destructor_reads = true;
}

static void ends_now(void)
{
    by__exit(11);
}

ACT(do_exit_now_in_handler, "_exit in a handler")
{
    atexit(ends_now);
    exit(10);
}

/* stdio is flushed after every handler, so the connection must still be open for writing then. */
static void leave_unflushed(void)
{
    FILE *stream = fdopen(door.fd, "w");

    if (!stream || fputs(words, stream) < 0)
        cannot("open a stream");
}

ACT(do_exit_unflushed, "exit unflushed")
{
    leave_unflushed();
    exit(0);
}

ACT(do_return_unflushed, "return unflushed")
{
    leave_unflushed();
}

ACT(do_exit_stdout_unflushed, "exit stdout unflushed")
{
    dup2(door.fd, 1);
    close(door.fd);
    printf("%s", words);
    exit(0);
}

ACT(do_exit_now_unflushed, "_exit unflushed")
{
    leave_unflushed();
    by__exit(0);
}

/* One connection, three numbers. */
ACT(do_exit_copies, "exit with copies")
{
    dup2(door.fd, 0);
    dup2(door.fd, 1);
    exit(14);
}

/* In an epoll set that is closed: nothing can be taken out of it, and it ends with the process. */
ACT(do_exit_now_epoll, "_exit in an epoll set")
{
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0), copy = (int)by_dup(set);

    CALL("epoll_ctl", by_epoll_ctl(set, EPOLL_CTL_ADD, door.fd, &event));
    by_close(set);
    say("copy=%d", copy);
    by__exit(16);
}

/* Nobody was accepted. */
ACT_ALONE(do_exit_listening, "exit listening")
{
    int listener = make_socket();

    start_listening(listener);
    wait_flag(&door.wire->ready, "the peer");
    say("fd=%d", listener);
    exit(15);
}

/* ---- Threads -------------------------------------------------------------------------------------- */

static void *thread_exits(void *unused)
{
    (void)unused;
    exit(12);
}

static void *thread_exits_now(void *unused)
{
    (void)unused;
    by__exit(13);
}

static void run_thread(void *(*function)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, NULL) != 0)
        cannot("start a thread");
    pthread_join(thread, NULL);
}

ACT(do_exit_from_thread, "exit from thread")
{
    run_thread(thread_exits);
}

ACT(do_exit_now_from_thread, "_exit from thread")
{
    run_thread(thread_exits_now);
}

static pthread_t main_thread;

static void *last_thread(void *unused)
{
    pthread_join(main_thread, NULL);
    say("alone");
    pthread_exit(unused);
}

/* The last thread to end ends the process, with 0. */
ACT(do_last_thread, "last thread")
{
    pthread_t thread;

    main_thread = pthread_self();
    if (pthread_create(&thread, NULL, last_thread, NULL) != 0)
        cannot("start a thread");
    pthread_exit(NULL);
}

/* ---- Ends that nobody is told of ------------------------------------------------------------------ */

ACT(do_abort, "abort")
{
    abort();
}

ACT(do_sigterm, "SIGTERM")
{
    raise(SIGTERM);
}

ACT(do_sigkill, "SIGKILL")
{
    raise(SIGKILL);
}

ACT(do_exec, "exec")
{
    execl("/bin/true", "true", NULL);
    cannot("exec");
}

ACT(do_exec_fails, "exec fails")
{
    char *argv[] = {(char *)"nowhere", NULL};

    CALL("execv", execv("/nowhere/at/all", argv));
    CALL("execl", execl("/nowhere/at/all", "nowhere", NULL));
    CALL("execlp", execlp("nowhere-at-all", "nowhere", NULL));
    CALL("execvp", execvp("nowhere-at-all", argv));
    CALL("execve", execve("/dev/null", argv, environ));
    CALL("close", close(door.fd));
    through();
}

/* ---- clone ---------------------------------------------------------------------------------------- */

static char stack[65536] __attribute__((aligned(64)));

static int closes_and_ends(void *status)
{
    close(door.fd);
    _exit((int)(intptr_t)status);
}

static int ends(void *status)
{
    return (int)(intptr_t)status;
}

static void close_after_clone(int (*function)(void *), int flags, intptr_t status)
{
    pid_t child = clone(function, stack + sizeof stack, flags | SIGCHLD, (void *)status);

    join(child, "child");
    say("unread=%d", net_unread(door.fd));
    CALL("close", close(door.fd));
    through();
}

ACT(do_clone, "clone")
{
    close_after_clone(closes_and_ends, 0, 61);
}

ACT(do_clone_return, "clone return")
{
    close_after_clone(ends, 0, 62);
}

/* As posix_spawn and many a runtime make their children. */
ACT(do_clone_vfork, "clone vfork")
{
    close_after_clone(closes_and_ends, CLONE_VM | CLONE_VFORK, 63);
}

/* The child's close is its parent's too. */
ACT(do_clone_files, "clone files")
{
    pid_t child = clone(closes_and_ends, stack + sizeof stack, CLONE_FILES | SIGCHLD, (void *)64L);

    join(child, "child");
    CALL("again", close(door.fd));
    through();
}

/* A table shared, and a mount namespace that such a child may not have. */
ACT(do_clone_files_refused, "clone files refused")
{
    int flags = CLONE_FILES | CLONE_FS | CLONE_NEWNS | SIGCHLD;

    if (calls_by_number)
        CALL("clone", syscall(SYS_clone, flags, 0, 0, 0, 0));
    else
        CALL("clone", clone(ends, stack + sizeof stack, flags, NULL));
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_clone_refused, "clone refused")
{
    CALL("clone no stack", clone(ends, NULL, SIGCHLD, NULL));
    CALL("clone no function", clone(NULL, stack + sizeof stack, SIGCHLD, NULL));
    CALL("clone flags", clone(ends, stack + sizeof stack, CLONE_THREAD | SIGCHLD, NULL));
    CALL("close", close(door.fd));
    through();
}

/* ---- vfork ---------------------------------------------------------------------------------------- */

/* The parent's connection is as it was, and its own close is judged as if there had been no child.
 */
static void close_after_child(pid_t child)
{
    join(child, "child");
    say("unread=%d", net_unread(door.fd));
    CALL("close", by_close(door.fd));
    through();
}

ACT(do_vfork_exit_now, "vfork _exit")
{
    pid_t child = vfork();

    if (child == 0)
        by__exit(21);
    close_after_child(child);
}

ACT(do_vfork_exit_c99, "vfork _Exit")
{
    pid_t child = vfork();

    if (child == 0)
        _Exit(22);
    close_after_child(child);
}

ACT(do_vfork_close, "vfork close")
{
    pid_t child = vfork();

    if (child == 0) {
        by_close(door.fd);
        by_close(door.fd);
        by__exit(24);
    }
    close_after_child(child);
}

ACT(do_vfork_close_range, "vfork close_range")
{
    pid_t child = vfork();

    if (child == 0) {
        by_close_range(3, ~0U, 0);
        by__exit(26);
    }
    close_after_child(child);
}

ACT(do_vfork_closefrom, "vfork closefrom")
{
    pid_t child = vfork();

    if (child == 0) {
        closefrom(3);
        by__exit(27);
    }
    close_after_child(child);
}

ACT(do_vfork_dup2, "vfork dup2")
{
    int null = open("/dev/null", O_RDWR);
    pid_t child = vfork();

    if (child == 0) {
        by_dup2(null, door.fd);
        by_dup3(null, door.fd, O_CLOEXEC);
        by__exit(28);
    }
    close(null);
    close_after_child(child);
}

ACT(do_vfork_exec, "vfork exec")
{
    pid_t child = vfork();

    if (child == 0) {
        execl("/bin/true", "true", NULL);
        by__exit(127);
    }
    close_after_child(child);
}

ACT(do_vfork_exec_fails, "vfork exec fails")
{
    pid_t child = vfork();

    if (child == 0) {
        execl("/nowhere/at/all", "nowhere", NULL);
        by__exit(29);
    }
    close_after_child(child);
}

/* As a server starts a CGI program: the connection is its standard output. */
ACT(do_vfork_dup2_exec, "vfork dup2 exec")
{
    pid_t child = vfork();

    if (child == 0) {
        by_dup2(door.fd, 1);
        execl("/bin/echo", "echo", "served", NULL);
        by__exit(127);
    }
    close_after_child(child);
}

static void *vfork_in_thread(void *unused)
{
    do_vfork_close();
    return unused;
}

ACT(do_vfork_thread, "vfork in thread")
{
    run_thread(vfork_in_thread);
}

static volatile int times;

/* Many, one after the other. */
ACT(do_vfork_often, "vfork often")
{
    for (times = 0; times < 50; times++) {
        pid_t child = vfork();
        if (child == 0) {
            by_close(door.fd);
            by__exit(0);
        }
        if (waitpid(child, NULL, 0) != child)
            cannot("wait for a child");
    }
    do_vfork_exit_now();
}

int main(int argc, char **argv)
{
    return door_main(argc, argv);
}
