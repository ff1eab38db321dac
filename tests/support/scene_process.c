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
static void do_close_in_vfork_child(const char *rest)
{
    int fd = program_connection();
    pid_t child;

    (void)rest;
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
static void do_reuse_number_in_vfork_child(const char *rest)
{
    int fd = program_connection();
    pid_t child;

    (void)rest;
    child = vfork();
    if (child == 0) {
        close(fd);
        childs_number = dup(program.listener);
        _exit(0);
    }
    wait_for(child);
    scene_say("same_number=%s", childs_number == fd ? "yes" : "no");
}

static void do_vfork_and_exec(const char *rest)
{
    pid_t child;

    (void)rest;
    child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    wait_for(child);
}

/* The child ends by _exit: what it holds then is closed without any call that can be seen. */
static void do_close_in_fork_child(const char *rest)
{
    int fd = program_connection();
    pid_t child = fork();

    (void)rest;
    if (child == 0) {
        struct closed closed = program_close(fd);
        _exit(closed.result == 0 && closed.error == SCENE_KEPT ? 0 : 1);
    }
    scene_say("~child_pid=%d", child);
    wait_for(child);
}

/* By clone itself, as a runtime without libc would: no fork hook runs. */
static void do_close_in_clone_child(const char *rest)
{
    int fd = program_connection();
    pid_t child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

    (void)rest;
    if (child == 0) {
        struct closed closed = program_close(fd);
        _exit(closed.result == 0 && closed.error == SCENE_KEPT ? 0 : 1);
    }
    wait_for(child);
}

/* A worker of a pre-fork server: accepts, answers without reading, closes, and leaves by exit(). */
static void do_serve_in_fork_child(const char *rest)
{
    pid_t child = fork();

    if (child == 0) {
        int fd = net_accept(program.listener);
        net_wait_at_least(net_unread, fd, 1);
        scene_write(fd, 0, scene_number(rest));
        struct closed closed = program_close(fd);
        exit(closed.result == 0 && closed.error == SCENE_KEPT ? 0 : 1);
    }
    scene_say("~child_pid=%d", child);
    wait_for(child);
}

/* ---- The end --------------------------------------------------------------------------------------- */

static void close_at_exit(void)
{
    program_says_closed("late_close", program_close(program_connection()));
    program_replies();
}

static void do_close_at_exit(const char *rest)
{
    (void)rest;
    atexit(close_at_exit);
}

/* close_lib.so's destructor does it, which comes after every atexit handler of the program. */
static void do_close_in_destructor(const char *rest)
{
    char number[16];

    (void)rest;
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
static void do_close_when_flushed(const char *rest)
{
    cookie_io_functions_t functions = {.write = close_when_flushed};
    FILE *stream = fopencookie(NULL, "w", functions);

    (void)rest;
    if (!stream || fputc('x', stream) == EOF)
        scene_fail("open a stream");
}

const struct verb process_verbs[] = {
    {"closes at exit", do_close_at_exit},
    {"closes in a clone child", do_close_in_clone_child},
    {"closes in a destructor", do_close_in_destructor},
    {"closes in a fork child", do_close_in_fork_child},
    {"closes in a vfork child", do_close_in_vfork_child},
    {"closes when streams are flushed", do_close_when_flushed},
    {"reuses the number in a vfork child", do_reuse_number_in_vfork_child},
    {"serves in a fork child", do_serve_in_fork_child},
    {"starts a program by vfork", do_vfork_and_exec},
    {NULL, NULL},
};
