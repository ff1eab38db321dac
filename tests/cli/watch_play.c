/*
 * Connections that end with a reset, one scene a run, for `safeclose watch` to explain:
 *
 *     watch_play [-6] SCENE
 *
 * It prints its port and waits for a line on standard input; so watch can be started meanwhile. Then it plays the scene
 * between itself, the program, and a child, the peer, and prints "program PID", "peer PID" and what the peer read:
 * "read ECONNRESET".
 *
 * The function that closes is named as the scene is.
 */
#define _GNU_SOURCE
#include "watch_play.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLOSER static __attribute__((noinline))
/* The call before it is no tail call, and no other function is the same code. */
#define STAY(name) __asm__ volatile("# " #name : : : "memory")

/* ---- The scenes ---------------------------------------------------------------------------------- */

CLOSER void close_unread(int fd)
{
    close(fd);
    STAY(close_unread);
}

static void play_unread(void)
{
    begin();
    receive_unread();
    close_unread(pair.ours);
    peer_does('r');
}

CLOSER void close_zero_linger(int fd)
{
    must(net_zero_linger(fd), "set SO_LINGER");
    close(fd);
    STAY(close_zero_linger);
}

static void play_zero_linger(void)
{
    begin();
    close_zero_linger(pair.ours);
    peer_does('r');
}

CLOSER void close_during_output(int fd)
{
    close(fd);
    STAY(close_during_output);
}

static void play_late_output(void)
{
    options.our_send_buffer = 8192;
    options.peer_receive_buffer = 4096;
    begin();
    must(net_fill(pair.ours), "fill");
    close_during_output(pair.ours);
    peer_does('s');
    peer_does('r');
}

CLOSER void close_cleanly(int fd)
{
    close(fd);
    STAY(close_cleanly);
}

/* The peer hears no reset, so that it can send once more. */
static void close_and_wait(void)
{
    int port, yes = 1;

    connect_pair();
    must(setsockopt(pair.peer, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes), "set TCP_QUICKACK");
    must(net_drop(pair.peer, NET_LOSE_RST), "drop resets");
    begin_peer();
    port = net_port(pair.ours);
    close_cleanly(pair.ours);
    wait_for_fin(port);
}

static void play_late_fin(void)
{
    close_and_wait();
    peer_does('s');
}

static void play_late_listener(void)
{
    close_and_wait();
    peer_does('s');
    peer_does('s');
}

static void play_late_forgotten(void)
{
    close_and_wait();
    peer_does('s');
    close(pair.listener);
    peer_does('s');
}

CLOSER void half_close(int fd)
{
    must(shutdown(fd, SHUT_RDWR), "shut down");
    STAY(half_close);
}

static void play_half(void)
{
    begin();
    half_close(pair.ours);
    peer_does('s');
    peer_does('r');
}

/* The close changes no state: FIN_WAIT1 stays what it is. */
static void play_half_output(void)
{
    options.our_send_buffer = 8192;
    options.peer_receive_buffer = 4096;
    begin();
    must(net_fill(pair.ours), "fill");
    half_close(pair.ours);
    close_cleanly(pair.ours);
    peer_does('s');
    peer_does('r');
}

static void play_half_then_close(void)
{
    connect_pair();
    must(net_bring_to(&pair, TCP_FIN_WAIT2), "half-close");
    begin_peer();
    close_cleanly(pair.ours);
    peer_does('s');
    peer_does('r');
}

CLOSER void close_listener(int fd)
{
    close(fd);
    STAY(close_listener);
}

static void play_pending(void)
{
    pair.peer = must(net_socket(&options), "make a socket");
    must(net_connect(pair.peer, pair.listener, &options), "connect");
    must(net_wait_for(net_backlog, pair.listener, 1) ? 0 : -1, "be in the queue");
    begin_peer();
    close_listener(pair.listener);
    peer_does('r');
}

/* The victim alone holds the connection. */
static void play_killed(void)
{
    pid_t victim;

    begin();
    receive_unread();
    victim = must(fork(), "fork");
    if (victim == 0)
        for (;;)
            pause();
    close(pair.ours);
    printf("victim %d\n", (int)victim);
    fflush(stdout);
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    peer_does('r');
}

/* A server that forks for each connection: the child has it alone, and is gone at once. */
static void play_forked(void)
{
    int closed[2];
    char byte;
    pid_t child;

    begin();
    receive_unread();
    must(pipe(closed), "pipe");
    child = must(fork(), "fork");
    if (child == 0) {
        must(read(closed[0], &byte, 1) == 1 ? 0 : -1, "hear of the parent");
        close_unread(pair.ours);
        _exit(0);
    }
    close(pair.ours);
    must(write(closed[1], "", 1), "tell the child");
    printf("child %d\n", (int)child);
    fflush(stdout);
    waitpid(child, NULL, 0);
    peer_does('r');
}

/* Nobody listens any more. */
static void play_closed_port(void)
{
    struct net_pair other = pair;

    pair.peer = must(net_socket(&options), "make a socket");
    begin_peer();
    other.peer = must(net_socket(&options), "make a socket");
    /* The number stays known to net_connect by a descriptor that listens no more. */
    must(shutdown(other.listener, SHUT_RD), "stop listening");
    if (net_connect(other.peer, other.listener, &options) != 0)
        printf("read %s\n", net_end_text(errno));
}

static void play_keepalive(void)
{
    int yes = 1;

    begin();
    pair.peer = -1;
    must(setsockopt(pair.ours, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes), "set SO_KEEPALIVE");
    must(setsockopt(pair.ours, IPPROTO_TCP, TCP_KEEPIDLE, &yes, sizeof yes), "set TCP_KEEPIDLE");
    must(setsockopt(pair.ours, IPPROTO_TCP, TCP_KEEPINTVL, &yes, sizeof yes), "set TCP_KEEPINTVL");
    must(setsockopt(pair.ours, IPPROTO_TCP, TCP_KEEPCNT, &yes, sizeof yes), "set TCP_KEEPCNT");
    must(net_drop(pair.ours, NET_LOSE_ALL), "be deaf");
    tell_read(pair.ours);
}

static void play_peer(void)
{
    begin();
    peer_does('z');
    tell_read(pair.ours);
}

static const struct scene {
    const char *name;
    void (*play)(void);
} scenes[] = {
    {"unread", play_unread},
    {"zero-linger", play_zero_linger},
    {"late-output", play_late_output},
    {"late-fin", play_late_fin},
    {"late-listener", play_late_listener},
    {"late-forgotten", play_late_forgotten},
    {"late-asked", play_late_asked},
    {"half", play_half},
    {"half-output", play_half_output},
    {"half-then-close", play_half_then_close},
    {"pending", play_pending},
    {"killed", play_killed},
    {"forked", play_forked},
    {"closed-port", play_closed_port},
    {"keepalive", play_keepalive},
    {"peer", play_peer},
};

static const struct scene *find(const char *name)
{
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++)
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    fprintf(stderr, "watch_play: unable to play \"%s\": no such scene\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    const struct scene *scene = find(argc > 1 ? argv[argc - 1] : "");
    char line[16];

    if (argc > 2 && strcmp(argv[1], "-6") == 0)
        options.family = NET_IPV6;
    pair.listener = must(net_listen(&options, 8), "listen");
    printf("%d\n", net_port(pair.listener));
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 1;
    scene->play();
    fflush(stdout);
    return 0;
}
