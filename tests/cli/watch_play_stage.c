#define _GNU_SOURCE
#include "watch_play.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct net_options options;
struct net_pair pair = {.ours = -1, .peer = -1};

/* ---- The peer ------------------------------------------------------------------------------------ */

static int to_peer[2], from_peer[2];

void tell_read(int fd)
{
    struct net_end end = net_read_to_end(fd);

    printf("read %s%s%s\n", net_end_text(end.error), end.pending ? " " : "",
           end.pending ? net_end_text(end.pending) : "");
}

/* 's' sends late data, 'r' reads to the end, 'z' resets. */
static _Noreturn void be_peer(void)
{
    char letter;

    close(to_peer[1]);
    close(pair.listener);
    if (pair.ours >= 0)
        close(pair.ours);
    must(write(from_peer[1], "", 1), "answer");
    while (read(to_peer[0], &letter, 1) == 1) {
        if (letter == 's')
            must(send(pair.peer, "late", 4, MSG_NOSIGNAL), "send");
        else if (letter == 'z')
            must(net_zero_linger(pair.peer), "set SO_LINGER");
        else
            tell_read(pair.peer);
        fflush(stdout);
        if (letter == 'z')
            close(pair.peer);
        must(write(from_peer[1], "", 1), "answer");
    }
    _exit(0);
}

void peer_does(char letter)
{
    char byte;

    must(write(to_peer[1], &letter, 1), "tell the peer");
    must(read(from_peer[0], &byte, 1) == 1 ? 0 : -1, "hear of the peer");
}

/* It has closed what is the program's before the scene goes on. */
void begin_peer(void)
{
    pid_t pid;
    char byte;

    must(pipe(to_peer), "pipe");
    must(pipe(from_peer), "pipe");
    pid = must(fork(), "fork");
    if (pid == 0)
        be_peer();
    must(read(from_peer[0], &byte, 1) == 1 ? 0 : -1, "hear of the peer");
    if (pair.peer >= 0)
        close(pair.peer);
    printf("program %d\npeer %d\n", (int)getpid(), (int)pid);
    fflush(stdout);
}

/* ---- The connection ------------------------------------------------------------------------------ */

void connect_pair(void)
{
    pair.peer = must(net_socket(&options), "make a socket");
    must(net_connect(pair.peer, pair.listener, &options), "connect");
    pair.ours = must(net_accept(pair.listener), "accept");
    must(net_name(pair.ours, false, pair.our_name), "name the connection");
    must(net_name(pair.ours, true, pair.peer_name), "name the connection");
}

void begin(void)
{
    connect_pair();
    begin_peer();
}

void receive_unread(void)
{
    peer_does('s');
    must(net_wait_for(net_unread, pair.ours, 4) ? 0 : -1, "receive");
}

/* Whether /proc/net/tcp or tcp6 has a line of our port with this state. */
static bool has_state(int port, const char *state)
{
    static const char *const files[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    char line[512], wanted[32];
    bool found = false;

    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(files[i], "re");

        snprintf(wanted, sizeof wanted, ":%04X ", port);
        while (file && fgets(line, sizeof line, file)) {
            char *at = strstr(line, wanted);
            char *peer = at ? strchr(at + 6, ' ') : NULL;
            found |= peer && strstr(line, ": ") && at < peer && strncmp(peer + 1, state, 2) == 0;
        }
        if (file)
            fclose(file);
    }
    return found;
}

static bool fin_is_acknowledged(void *arg)
{
    return has_state(*(int *)arg, "05") || has_state(*(int *)arg, "06");
}

void wait_for_fin(int port)
{
    must(net_wait_until(fin_is_acknowledged, &port) ? 0 : -1, "have the FIN acknowledged");
}
