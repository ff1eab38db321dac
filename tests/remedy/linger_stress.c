/*
 * linger_stress [-fs] CONNECTIONS SEED: a server with threads that answers and closes in every way
 * there is, while peers that are always late with some data have the verdict. The program that is
 * started is the peers'; it starts itself once more as the server, with $PRELOAD in front.
 *
 * A peer asks for so many bytes, sends rubbish before, while and after it reads them, and counts
 * what comes. -f: the server also forks, for a child to answer; as such a child has for a moment
 * what other threads are closing, not every close is the last then.
 *
 * -s: the server has one thread only. Of several, one that never gets a CPU may be in a call on any
 * connection, as far as another can tell, which then is left alone.
 *
 * Prints how many connections had every byte, and how many resets were sent.
 */
#define _GNU_SOURCE
#include "net.h"
#include "owner.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* Of the peers some wait for the server's end. */
enum { LISTENER = 3, SERVERS = 4, PEERS = 8, ANSWER_MOST = 200000, RUBBISH = 3000, KEPT = 5 };

static int connections;
static bool forks;
static bool single;

/* One of so many, from a state of the caller's own. */
static unsigned random_below(unsigned *state, unsigned most)
{
    *state = *state * 1103515245u + 12345u;
    return (*state >> 8) % most;
}

/* ---- The server ------------------------------------------------------------------------------ */

static _Atomic int taken;
static _Atomic int kept;
static _Atomic int stash = -1; /* a number for the handler to close */

static void answer_from(int fd, long at, long end)
{
    unsigned char bytes[8192];

    while (at < end) {
        long size = end - at < (long)sizeof bytes ? end - at : (long)sizeof bytes;
        for (long i = 0; i < size; i++)
            bytes[i] = owner_byte(at + i);
        if (send(fd, bytes, (size_t)size, MSG_NOSIGNAL) != size)
            return;
        at += size;
    }
}

static long read_request(int fd)
{
    uint32_t wanted = 0;

    if (recv(fd, &wanted, sizeof wanted, MSG_WAITALL) != sizeof wanted)
        return -1;
    return wanted;
}

/* The next connection, -1 if none waits. */
static int take(void)
{
    int fd = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0)
        atomic_fetch_add(&taken, 1);
    return fd;
}

/* Closes what the interrupted thread left it, and serves a connection of its own. */
static void handle(int signal)
{
    int saved_errno = errno;
    int fd = atomic_exchange(&stash, -1);

    (void)signal;
    if (fd >= 0)
        close(fd);
    fd = take();
    if (fd >= 0) {
        answer_from(fd, 0, read_request(fd));
        close(fd);
    }
    errno = saved_errno;
}

static void close_by_stream(int fd, long at, long end)
{
    FILE *stream = fdopen(fd, "w");

    for (; stream && at < end; at++)
        putc(owner_byte(at), stream);
    if (stream)
        fclose(stream);
}

static void close_by_dup(int fd)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    dup2(null, fd);
    close(fd);
    close(null);
}

static void close_in_child(int fd, long at, long end, bool exits)
{
    pid_t pid = fork();

    if (pid == 0) {
        answer_from(fd, at, end);
        if (exits)
            close(fd);
        _exit(0);
    }
    close(fd);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void close_by_handler(int fd)
{
    int other = atomic_exchange(&stash, fd);

    if (other >= 0)
        close(other);
    pthread_kill(pthread_self(), SIGUSR1);
}

static void serve(int fd, unsigned *state)
{
    long wanted = read_request(fd);
    unsigned door = random_below(state, forks ? 10 : 8);
    long tail = door == 0 || door > 7 ? wanted / 10 : 0;

    answer_from(fd, 0, wanted - tail);
    switch (door) {
    case 0:
        close_by_stream(fd, wanted - tail, wanted);
        break;
    case 1:
        close_by_dup(fd);
        break;
    case 2:
        shutdown(fd, SHUT_WR);
        close(fd);
        break;
    case 3:
        close_by_handler(fd);
        break;
    case 4:
        syscall(SYS_close, fd);
        break;
    case 5:
        close_range((unsigned)fd, (unsigned)fd, 0);
        break;
    case 6:
        if (atomic_fetch_add(&kept, 1) >= KEPT)
            close(fd);
        break;
    case 7:
        close(fd);
        break;
    default:
        close_in_child(fd, wanted - tail, wanted, door == 9);
    }
}

static void *serve_many(void *argument)
{
    unsigned state = (unsigned)(intptr_t)argument;
    struct pollfd waiting = {.fd = LISTENER, .events = POLLIN};
    int fd;

    while (atomic_load(&taken) < connections) {
        poll(&waiting, 1, 20);
        fd = take();
        if (fd >= 0)
            serve(fd, &state);
    }
    return NULL;
}

/* At its end some connections are open still. */
static int be_server(unsigned seed)
{
    pthread_t threads[SERVERS];
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &action, NULL);
    if (single) {
        serve_many((void *)(intptr_t)seed);
    } else {
        for (unsigned i = 0; i < SERVERS; i++)
            threads[i] = start_thread(serve_many, (void *)(intptr_t)(seed + i));
        for (int i = 0; i < SERVERS; i++)
            pthread_join(threads[i], NULL);
    }
    handle(0);
    return 0;
}

/* ---- The peers ------------------------------------------------------------------------------- */

static int listener;
static _Atomic int begun;
static _Atomic int whole;

static void send_rubbish(int fd, unsigned *state)
{
    static const unsigned char rubbish[RUBBISH];

    send(fd, rubbish, 1 + random_below(state, RUBBISH), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* To the end, always a little late. */
static bool is_whole(int fd, uint32_t wanted, unsigned *state)
{
    unsigned char bytes[20000];
    long at = 0;
    bool right = true;
    ssize_t n;

    while ((n = recv(fd, bytes, 1 + random_below(state, sizeof bytes), 0)) > 0) {
        right = right && owner_right(bytes, at, n);
        at += n;
        if (random_below(state, 8) == 0)
            send_rubbish(fd, state);
    }
    right = right && n == 0 && at == (long)wanted;
    if (!right)
        fprintf(stderr, "peer: %ld of %u bytes, %s\n", at, wanted,
                n < 0 ? strerrorname_np(errno) : "the end");
    return right;
}

static void *ask_many(void *argument)
{
    unsigned state = (unsigned)(intptr_t)argument;
    struct net_options options = {0};

    while (atomic_fetch_add(&begun, 1) < connections) {
        uint32_t wanted = random_below(&state, 3) ? random_below(&state, 5000)
                                                  : random_below(&state, ANSWER_MOST);
        int fd = must(net_socket(&options), "make a socket");

        must(net_connect(fd, listener, &options), "connect");
        if (send(fd, &wanted, sizeof wanted, MSG_NOSIGNAL) != sizeof wanted)
            unable("ask");
        send_rubbish(fd, &state);
        if (is_whole(fd, wanted, &state))
            atomic_fetch_add(&whole, 1);
        send_rubbish(fd, &state);
        close(fd);
    }
    return NULL;
}

static pid_t start_server(char **arguments)
{
    pid_t pid = must(fork(), "fork");
    const char *preload = getenv("PRELOAD");

    if (pid == 0) {
        must(dup2(listener, LISTENER), "hand over the listening socket");
        fcntl(LISTENER, F_SETFD, 0); /* it may have been this number */
        close_range(LISTENER + 1, ~0U, 0);
        setenv("SERVER", "1", 1);
        if (preload && *preload)
            setenv("LD_PRELOAD", preload, 1);
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    return pid;
}

static int be_peers(char **arguments, unsigned seed)
{
    struct net_resets before = net_resets_now();
    struct net_options options = {0};
    pthread_t threads[PEERS];
    pid_t server;
    int status;
    long sent;

    net_resets_note();
    listener = must(net_listen(&options, 100), "listen");
    must(fcntl(listener, F_SETFL, O_NONBLOCK), "not wait for connections");
    server = start_server(arguments);
    for (unsigned i = 0; i < PEERS; i++)
        threads[i] = start_thread(ask_many, (void *)(intptr_t)(seed * 31 + i));
    for (int i = 0; i < PEERS; i++)
        pthread_join(threads[i], NULL);
    must(waitpid(server, &status, 0), "wait for the server");
    owner_say("server %#x\n", (unsigned)status);
    owner_say("whole %d of %d\n", atomic_load(&whole), connections);
    sent = net_resets_since(before).sent;
    owner_say("resets %ld\n", sent - net_resets_answers(sent, 0, net_port(listener)));
    return 0;
}

int main(int argc, char **argv)
{
    int option;
    unsigned seed;

    while ((option = getopt(argc, argv, "fs")) != -1) {
        forks = forks || option == 'f';
        single = single || option == 's';
    }
    if (argc - optind != 2)
        return 2;
    connections = atoi(argv[optind]);
    seed = (unsigned)atoi(argv[optind + 1]);
    return getenv("SERVER") ? be_server(seed) : be_peers(argv, seed);
}
