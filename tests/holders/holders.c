/*
 * holders SCENE: programs that are right without the library, and that lose data when it acts on a
 * connection which somebody else still uses. What the other holder got is printed.
 */
#define _GNU_SOURCE
#include "play.h"

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST = 1000, HANDED_OVER = 1500, ANSWER = 8000000 };

static struct net_pair open_pair(int requested)
{
    struct net_options options = {.family = NET_IPV4};
    struct net_pair pair;
    char request[REQUEST] = {0};

    must(net_pair_open(&pair, &options), "open a pair");
    must((int)write(pair.peer, request, (size_t)requested), "write");
    net_wait_at_least(net_unread, pair.ours, requested);
    return pair;
}

static void reap(pid_t child)
{
    must(waitpid(child, NULL, 0), "wait");
}

/* ---- Handed over while the parent looks who holds it ----------------------------------------- */

/* Reads each connection that it is given a little later, when the others have closed it. */
static int worker(int channel)
{
    int whole = 0;
    int fd;

    while ((fd = net_receive_descriptor(channel, 0)) >= 0) {
        char request[REQUEST + 1];

        usleep(1000);
        whole += recv(fd, request, sizeof request, MSG_DONTWAIT) == REQUEST;
        close(fd);
    }
    printf("%d of %d whole\n", whole, HANDED_OVER);
    return 0;
}

/* The child hands it over after one moment, the parent closes it after another. */
static void hand_over(int channel, unsigned *seed)
{
    struct net_pair pair = open_pair(REQUEST);
    int parent_waits = rand_r(seed) % 300;
    int child_waits = rand_r(seed) % 100;
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        usleep((useconds_t)child_waits);
        if (!net_send_descriptor(channel, pair.ours, 0))
            _exit(1);
        close(pair.ours);
        _exit(0);
    }
    usleep((useconds_t)parent_waits);
    must(net_close_ours(&pair), "close");
    reap(child);
    net_pair_close(&pair);
}

static void handed_over(void)
{
    unsigned seed = 1;
    int channel[2];
    pid_t child;

    must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel), "socketpair");
    child = must(fork(), "fork");
    if (child == 0) {
        close(channel[0]);
        exit(worker(channel[1]));
    }
    close(channel[1]);
    for (int i = 0; i < HANDED_OVER; i++)
        hand_over(channel[0], &seed);
    close(channel[0]);
    reap(child);
}

/* ---- A thread is in a call on it, and a fork child gives it up last -------------------------- */

static void *write_all(void *fd)
{
    char *answer = calloc(1, ANSWER);
    ssize_t written = send(*(int *)fd, answer, ANSWER, 0);

    free(answer);
    printf("written: %zd\n", written);
    return NULL;
}

static void *read_all(void *fd)
{
    static struct net_end end;

    end = net_read_to_end(*(int *)fd);
    return &end;
}

static void writer_blocked(void)
{
    struct net_pair pair = open_pair(0);
    int ours = pair.ours;
    int gate[2];
    pthread_t writer;
    pthread_t reader;
    struct net_end *end;
    pid_t helper;
    char byte;

    must(pipe(gate), "pipe");
    writer = start_thread(write_all, &ours);
    net_wait_at_least(net_unsent, pair.ours, 100000);
    usleep(100000);
    helper = must(fork(), "fork");
    if (helper == 0) {
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
        close(pair.ours);
        _exit(0);
    }
    must(net_close_ours(&pair), "close");
    close(gate[1]);
    reap(helper);
    reader = start_thread(read_all, &pair.peer);
    pthread_join(writer, NULL);
    pthread_join(reader, (void **)&end);
    printf("read: %ld\n", end->bytes);
}

/* ---- A vfork whose thread makes no further call ---------------------------------------------- */

static void *vfork_and_end(void *unused)
{
    pid_t child = vfork();

    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
    return unused;
}

static void close_and_tell(void)
{
    struct net_pair pair = open_pair(6);

    must(fcntl(pair.ours, F_SETFD, 0), "F_SETFD"); /* a program that is started would keep it */
    must(net_close_ours(&pair), "close");
    printf("%s\n", net_end_text(net_read_to_end(pair.peer).error));
    net_pair_close(&pair);
}

/* Nested, too: a child of vfork that does the same, and every second one fails to execute. */
static void *vfork_twice(void *unused)
{
    pid_t child = vfork();

    if (child == 0) {
        pid_t grandchild = vfork();

        if (grandchild == 0) {
            execl("/nonexistent", "none", (char *)NULL);
            _exit(127);
        }
        _exit(grandchild < 0);
    }
    waitpid(child, NULL, 0);
    return unused;
}

static void after_vfork(void)
{
    void *(*const helpers[])(void *) = {vfork_and_end, vfork_twice};
    pthread_t helper;

    close_and_tell();
    for (size_t i = 0; i < sizeof helpers / sizeof helpers[0]; i++) {
        pthread_create(&helper, NULL, helpers[i], NULL);
        pthread_join(helper, NULL);
        close_and_tell();
        close_and_tell();
    }
}

/* ---- Many forks beside many workers ---------------------------------------------------------- */

enum { WORKERS = 500 };

/* They hold what was open when they were forked, and nothing else, until the gate opens. */
static void fork_workers(pid_t workers[WORKERS], const int gate[2])
{
    char byte;

    for (int i = 0; i < WORKERS; i++) {
        workers[i] = must(fork(), "fork");
        if (workers[i] == 0) {
            close(gate[1]);
            (void)!read(gate[0], &byte, 1);
            _exit(0);
        }
    }
}

/* The child gives it up and ends, or is killed while it holds it; then the parent gives it up. */
static bool fork_over(bool killed)
{
    struct net_pair pair = open_pair(6);
    pid_t child = must(fork(), "fork");
    bool mended;

    if (child == 0) {
        if (killed)
            raise(SIGKILL);
        close(pair.ours);
        _exit(0);
    }
    reap(child);
    must(net_close_ours(&pair), "close");
    mended = net_read_to_end(pair.peer).error == 0;
    net_pair_close(&pair);
    return mended;
}

static void many_forks(long forks)
{
    pid_t workers[WORKERS];
    int gate[2];
    long mended = 0;
    long before = 0;

    must(pipe(gate), "pipe");
    fork_workers(workers, gate);
    for (long i = 0; i < forks; i++) {
        mended += fork_over(i % 2);
        if (i == forks / 10)
            before = status_kb("VmRSS");
    }
    printf("%ld of %ld mended, memory flat: %s\n", mended, forks,
           status_kb("VmRSS") - before < 512 ? "yes" : "no");
    close(gate[1]);
    for (int i = 0; i < WORKERS; i++)
        reap(workers[i]);
}

/* ---- Given up by many that are dead ---------------------------------------------------------- */

enum { KEPT = 2200, FORKERS = 9, ROUNDS = 50 };

/* Each child gives up all that it has inherited: more than the family's table has room for, if what the dead have
 * given up stays there as long as somebody holds it. */
static void fork_and_give_up(const int kept[KEPT])
{
    pid_t child = must(fork(), "fork");

    if (child == 0) {
        for (int i = 0; i < KEPT; i++)
            close(kept[i]);
        _exit(0);
    }
    reap(child);
}

/* The parent gives it up first, and its child last. */
static bool give_up_first(void)
{
    struct net_pair pair = open_pair(6);
    int gate[2];
    pid_t child;
    bool mended;
    char byte;

    must(pipe(gate), "pipe");
    child = must(fork(), "fork");
    if (child == 0) {
        close(gate[1]);
        (void)!read(gate[0], &byte, 1);
        close(pair.ours);
        _exit(0);
    }
    must(net_close_ours(&pair), "close");
    close(gate[0]);
    close(gate[1]);
    mended = net_read_to_end(pair.peer).error == 0;
    reap(child);
    net_pair_close(&pair);
    return mended;
}

static void given_by_many(void)
{
    static int kept[KEPT];
    int mended = 0;

    raise_limit();
    for (int i = 0; i < KEPT; i++)
        kept[i] = must(socket(AF_INET, SOCK_STREAM, 0), "open a socket");
    for (int i = 0; i < FORKERS; i++)
        fork_and_give_up(kept);
    for (int i = 0; i < ROUNDS; i++)
        mended += give_up_first();
    printf("%d of %d mended\n", mended, ROUNDS);
}

int main(int argc, char **argv)
{
    const char *scene = argc >= 2 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(scene, "handed-over") == 0)
        handed_over();
    else if (strcmp(scene, "writer-blocked") == 0)
        writer_blocked();
    else if (strcmp(scene, "after-vfork") == 0)
        after_vfork();
    else if (strcmp(scene, "many-forks") == 0 && argc == 3)
        many_forks(atol(argv[2]));
    else if (strcmp(scene, "given-by-many") == 0)
        given_by_many();
    else
        errx(2, "usage: holders many-forks N|given-by-many|handed-over|writer-blocked|after-vfork");
    return 0;
}
