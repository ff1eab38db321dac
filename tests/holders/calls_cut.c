/*
 * calls_cut SECONDS UNREAD: a thread is blocked in send() on a connection while another gives its
 * number up, again and again, and threads that are older than the writer end at that very moment:
 * the kernel's list of a process's threads, read just then, may leave the writer out. So many
 * bytes are unread at the close. Without the library each send() returns all, always.
 *
 * The program that is started is the peers; it starts itself once more as the server, with
 * $LIBSAFECLOSE in front. Prints how many connections there were; how many writers were cut off,
 * which is what their send() returned; and of how many the peer got every byte and then the end.
 */
#define _GNU_SOURCE
#include "play.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LANES = 2, OLDER = 20, ANSWER = 100000, BUFFER = 4096, SPIN_MOST = 20000 };

/* The numbers of what the server inherits, one for each lane from there on: where it accepts, and
 * where it tells the peer to begin to read. */
enum { LISTENER = 10, GATE = 20 };

static int seconds;
static int unread;

/* ---- The server ------------------------------------------------------------------------------ */

struct lane {
    int number;
    unsigned seed;
    int fd;
    long sent;
    atomic_bool over; /* the older threads may end */
    long connections;
    long cut;
};

static void spin(unsigned rounds)
{
    for (volatile unsigned i = 0; i < rounds; i++)
        ;
}

static void *end_when_told(void *arg)
{
    struct lane *lane = arg;

    while (!lane->over)
        sched_yield();
    return NULL;
}

static void *write_all(void *arg)
{
    static char answer[ANSWER];
    struct lane *lane = arg;

    lane->sent = send(lane->fd, answer, ANSWER, MSG_NOSIGNAL);
    return NULL;
}

/* Half of the numbers are closed, and half are made those of something else. */
static void give_up(int fd, bool by_dup)
{
    static int null = -1;

    if (!by_dup) {
        must(close(fd), "close");
        return;
    }
    if (null < 0)
        null = must(open("/dev/null", O_RDWR | O_CLOEXEC), "open /dev/null");
    must(dup2(null, fd), "dup2");
    must(close(fd), "close");
}

static void serve_one(struct lane *lane)
{
    pthread_t older[OLDER];
    pthread_t writer;

    lane->over = false;
    if (!net_wait_for(net_unread, lane->fd, unread))
        errx(2, "the peer sent nothing");
    for (int i = 0; i < OLDER; i++)
        older[i] = start_thread(end_when_told, lane);
    writer = start_thread(write_all, lane);
    while (net_unsent(lane->fd) <= 0)
        sched_yield();
    lane->over = true;
    spin((unsigned)rand_r(&lane->seed) % SPIN_MOST);
    give_up(lane->fd, lane->connections % 2);
    must((int)write(GATE + lane->number, "", 1), "open the gate");
    pthread_join(writer, NULL);
    for (int i = 0; i < OLDER; i++)
        pthread_join(older[i], NULL);
    lane->connections++;
    lane->cut += lane->sent != ANSWER;
}

static void *serve_lane(void *arg)
{
    struct lane *lane = arg;
    long end = net_now_ms() + seconds * 1000L;

    while (net_now_ms() < end) {
        lane->fd = must(accept4(LISTENER + lane->number, NULL, NULL, SOCK_CLOEXEC), "accept");
        serve_one(lane);
    }
    return NULL;
}

static int serve(void)
{
    static struct lane lanes[LANES];
    pthread_t threads[LANES];
    long connections = 0;
    long cut = 0;

    for (int i = 0; i < LANES; i++) {
        lanes[i].number = i;
        lanes[i].seed = (unsigned)i + 1;
        threads[i] = start_thread(serve_lane, &lanes[i]);
    }
    for (int i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        connections += lanes[i].connections;
        cut += lanes[i].cut;
    }
    printf("%ld connections\n%ld writers cut off\n", connections, cut);
    return 0;
}

/* ---- The peers ------------------------------------------------------------------------------- */

struct peer {
    int listener;
    int gate;
    long whole;
    struct net_options options;
};

/* One connection, until the server ends. */
static bool play_one(struct peer *peer)
{
    static const char data[64];
    struct net_end end;
    char byte;
    int fd = must(net_socket(&peer->options), "make a socket");

    must(net_connect(fd, peer->listener, &peer->options), "connect");
    must((int)send(fd, data, (size_t)unread, 0), "send");
    if (read(peer->gate, &byte, 1) != 1) {
        close(fd);
        return false;
    }
    end = net_read_to_end(fd);
    close(fd);
    peer->whole += end.bytes == ANSWER && end.error == 0;
    return true;
}

static void *play_peer(void *arg)
{
    while (play_one(arg))
        ;
    return NULL;
}

static void prepare(struct peer *peer, int gate[2])
{
    peer->options = (struct net_options){.our_send_buffer = BUFFER, .peer_receive_buffer = BUFFER};
    peer->listener = must(net_listen(&peer->options, LANES), "listen");
    must(pipe2(gate, O_CLOEXEC), "pipe");
    peer->gate = gate[0];
}

static _Noreturn void become_server(char **argv, struct peer peers[], int gates[][2])
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < LANES; i++) {
        /* Out of the way of the numbers wanted. */
        peers[i].listener = must(fcntl(peers[i].listener, F_DUPFD_CLOEXEC, 100), "dup");
        gates[i][1] = must(fcntl(gates[i][1], F_DUPFD_CLOEXEC, 100), "dup");
    }
    for (int i = 0; i < LANES; i++) {
        must(dup2(peers[i].listener, LISTENER + i), "dup2");
        must(dup2(gates[i][1], GATE + i), "dup2");
    }
    go_behind_library();
    execl("/proc/self/exe", argv[0], argv[1], argv[2], "serve", NULL);
    err(2, "start the server");
}

static int play(char **argv)
{
    static struct peer peers[LANES];
    int gates[LANES][2];
    pthread_t threads[LANES];
    pid_t server;
    long whole = 0;
    int status;

    for (int i = 0; i < LANES; i++)
        prepare(&peers[i], gates[i]);
    server = must(fork(), "fork");
    if (server == 0)
        become_server(argv, peers, gates);
    for (int i = 0; i < LANES; i++) {
        close(gates[i][1]);
        threads[i] = start_thread(play_peer, &peers[i]);
    }
    for (int i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        whole += peers[i].whole;
    }
    must(waitpid(server, &status, 0), "wait for the server");
    printf("%ld whole\n", whole);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(2, "usage: calls_cut SECONDS UNREAD");
    seconds = atoi(argv[1]);
    unread = atoi(argv[2]);
    return argc == 4 ? serve() : play(argv);
}
