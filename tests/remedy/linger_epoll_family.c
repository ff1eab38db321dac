/*
 * Connections in an epoll set that a fork child has, too: who gives a connection up last can take it out of a
 * set by the number that it inherited, but for what another process put in after the fork.
 */
#include "linger_epoll.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

typedef void act(struct connection *c);

void child_first(struct connection *c, act *part)
{
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        part(c);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    close(c->fd);
}

/* The parent does its part while the child has the connection; then the child does its. */
static void child_last(struct connection *c, act *parents, act *childs)
{
    int go[2];
    char byte;

    must(pipe(go), "make a pipe");
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        close(go[1]);
        while (read(go[0], &byte, 1) > 0)
            continue;
        childs(c);
        _exit(0);
    }
    parents(c);
    close(go[0]);
    close(go[1]);
    waitpid(child, NULL, 0);
}

/* ---- What a child does ----------------------------------------------------------------------------- */

static void end(struct connection *c)
{
    (void)c;
}

static void be_killed(struct connection *c)
{
    (void)c;
    raise(SIGKILL);
}

static void execute(struct connection *c)
{
    (void)c;
    unsetenv("LD_PRELOAD");
    execl("/bin/true", "true", NULL);
}

static void put_in_anew(struct connection *c)
{
    take_out(c);
    level(c);
    close(c->fd);
}

static void put_in(struct connection *c)
{
    level(c);
    close(c->fd);
}

static void put_in_and_be_killed(struct connection *c)
{
    level(c);
    raise(SIGKILL);
}

static void put_in_a_duplicate(struct connection *c)
{
    int copy = must(dup(c->fd), "duplicate");

    add(epoll_ctl, sets[0], copy, EPOLLIN | EPOLLRDHUP, c);
    close(copy);
    close(c->fd);
}

/* As a server does that wants none of its parent's events (event_reinit). */
static void in_a_new_set(struct connection *c)
{
    close(sets[0]);
    if (must(epoll_create1(EPOLL_CLOEXEC), "make an epoll set") != sets[0])
        unable("get the same number");
    level(c);
    close(c->fd);
}

/* ---- Ways to close --------------------------------------------------------------------------------- */

static void child_closes_first(struct connection *c)
{
    child_first(c, close_it);
}

static void child_ends_first(struct connection *c)
{
    child_first(c, end);
}

static void child_is_killed_first(struct connection *c)
{
    child_first(c, be_killed);
}

static void child_executes_first(struct connection *c)
{
    child_first(c, execute);
}

static void child_closes_last(struct connection *c)
{
    child_last(c, close_it, close_it);
}

static void child_takes_out(struct connection *c)
{
    child_first(c, take_out_and_close);
}

static void child_puts_in_anew(struct connection *c)
{
    child_first(c, put_in_anew);
}

static void child_puts_in(struct connection *c)
{
    take_out(c);
    child_first(c, put_in);
}

static void child_puts_in_and_is_killed(struct connection *c)
{
    take_out(c);
    child_first(c, put_in_and_be_killed);
}

static void child_puts_in_a_duplicate(struct connection *c)
{
    child_first(c, put_in_a_duplicate);
}

static void parent_puts_in(struct connection *c)
{
    take_out(c);
    child_last(c, put_in, close_it);
}

static void child_has_a_new_set(struct connection *c)
{
    child_last(c, close_it, in_a_new_set);
}

static void *idle(void *unused)
{
    pause();
    return unused;
}

/* In a program with threads the lot gives up the parent's part, later: then the child may have ended. */
static void child_ends_after_a_close_with_threads(struct connection *c)
{
    static bool begun;
    pthread_t thread;

    if (!begun && pthread_create(&thread, NULL, idle, NULL) != 0)
        unable("start a thread");
    begun = true;
    child_last(c, close_it, end);
}

const struct way family_ways[] = {
    {"child-closes-first", level, child_closes_first, NULL},
    {"child-ends-first", level, child_ends_first, NULL},
    {"child-killed-first", level, child_is_killed_first, NULL},
    {"child-executes-first", level, child_executes_first, NULL},
    {"child-last", level, child_closes_last, NULL},
    {"child-takes-out", level, child_takes_out, NULL},
    {"child-puts-in-anew", level, child_puts_in_anew, NULL},
    {"child-puts-in", level, child_puts_in, NULL},
    {"child-puts-in-killed", level, child_puts_in_and_is_killed, NULL},
    {"child-puts-in-duplicate", level, child_puts_in_a_duplicate, NULL},
    {"parent-puts-in", level, parent_puts_in, NULL},
    {"child-new-set", level, child_has_a_new_set, NULL},
    {"child-ends-threads", level, child_ends_after_a_close_with_threads, NULL},
    {.name = NULL},
};
