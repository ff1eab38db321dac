/* Closing in a child, which may share its parent's memory, and when the process is as good as over.
 */
#define _GNU_SOURCE
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct closed child_result; /* a vfork child writes it in its parent's memory */

static void wait_for(pid_t child)
{
    int status;

    if (child < 0 || waitpid(child, &status, 0) != child)
        scene_fail("wait for a child");
    scene_say("child=%d", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* The child's number is its own: the parent's connection stays. */
VERB(do_close_in_vfork_child, rest, "closes in a vfork child")
{
    int fd = program_connection();
    pid_t child;

    child = vfork();
    if (child == 0) {
        child_result = program_close(fd);
        _exit(0);
    }
    wait_for(child);
    program_says_closed("child_close", child_result);
}

static volatile int childs_number; /* in its parent's memory again */

/* The child gives the number another life of its own; the parent's is still the connection. */
VERB(do_reuse_number_in_vfork_child, rest, "reuses the number in a vfork child")
{
    int fd = program_connection();
    pid_t child;

    child = vfork();
    if (child == 0) {
        close(fd);
        childs_number = dup(program.listener);
        _exit(0);
    }
    wait_for(child);
    scene_say("same_number=%s", childs_number == fd ? "yes" : "no");
}

VERB(do_vfork_and_exec, rest, "starts a program by vfork")
{
    pid_t child;

    child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    wait_for(child);
}

/* The child ends by _exit: what it holds then is closed without any call that can be seen. */
VERB(do_close_in_fork_child, rest, "closes in a fork child")
{
    int fd = program_connection();
    pid_t child = fork();

    if (child == 0) {
        struct closed closed = program_close(fd);
        _exit(closed.result == 0 && closed.error == SCENE_KEPT ? 0 : 1);
    }
    scene_say("~child_pid=%d", child);
    wait_for(child);
}

/* By clone itself, as a runtime without libc would: no fork hook runs. */
VERB(do_close_in_clone_child, rest, "closes in a clone child")
{
    int fd = program_connection();
    pid_t child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    if (child == 0) {
        struct closed closed = program_close(fd);
        _exit(closed.result == 0 && closed.error == SCENE_KEPT ? 0 : 1);
    }
    wait_for(child);
}

/* A worker of a pre-fork server: accepts, answers without reading, closes, and leaves by exit(). */
static pid_t worker;

VERB(do_start_worker, answer, "starts a worker that answers")
{
    worker = fork();
    if (worker == 0) {
        int fd = net_accept(program.listener);
        net_wait_at_least(net_unread, fd, 1);
        scene_write(fd, 0, scene_number(answer));
        struct closed closed = program_close(fd);
        exit(closed.result == 0 && closed.error == SCENE_KEPT ? 0 : 1);
    }
    scene_say("~child_pid=%d", worker);
}

VERB(do_await_worker, rest, "awaits the worker")
{
    wait_for(worker);
}

VERB(do_serve_in_fork_child, answer, "serves in a fork child")
{
    do_start_worker(answer);
    wait_for(worker);
}

/* ---- The end --------------------------------------------------------------------------------------- */

static void close_at_exit(void)
{
    program_says_closed("late_close", program_close(program_connection()));
    program_replies();
}

VERB(do_close_at_exit, rest, "closes at exit")
{
    atexit(close_at_exit);
}

/* close_lib.so's destructor does it, which comes after every atexit handler of the program. */
VERB(do_close_in_destructor, rest, "closes in a destructor")
{
    char number[16];

    snprintf(number, sizeof number, "%d", program_connection());
    setenv("CLOSE_IN_DESTRUCTOR", number, 1);
}

static ssize_t close_when_flushed(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    (void)bytes;
    close_at_exit();
    return size;
}

/* exit() flushes the streams last, after every handler and destructor: a stream of the program's
 * own making closes then. */
VERB(do_close_when_flushed, rest, "closes when streams are flushed")
{
    cookie_io_functions_t functions = {.write = close_when_flushed};
    FILE *stream = fopencookie(NULL, "w", functions);

    if (!stream || fputc('x', stream) == EOF)
        scene_fail("open a stream");
}
