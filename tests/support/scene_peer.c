/* The peer of a scene: what it does to the connection, and what it sees there. */
#define _GNU_SOURCE
#include "scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct peer {
    int fd;
    bool ended; /* it was read to its end */
    long sent;
    long got;
    char ours[64]; /* the program's address */
    char its[64];
};

const struct net_options *peer_options;
int peer_port;

static struct peer peers[SCENE_MOST];
static int count;
static int listener = -1;

static struct peer *latest(void)
{
    errno = ENOTCONN;
    if (count == 0)
        scene_fail("speak of a connection");
    return &peers[count - 1];
}

/* ---- Meeting -------------------------------------------------------------------------------------- */

static void take(int fd)
{
    struct peer *peer = &peers[count++];

    *peer = (struct peer){.fd = fd};
    if (fd < 0 || count == SCENE_MOST || net_name(fd, true, peer->ours) != 0 ||
        net_name(fd, false, peer->its) != 0)
        scene_fail("take connection %d", count);
}

static void say_names(void)
{
    scene_say("~ours=%s", latest()->ours);
    scene_say("~peer=%s", latest()->its);
}

/* The peer of a mapped connection is an IPv4 socket. */
static void connect_to_program(void)
{
    struct sockaddr_in v4 = net_loopback(peer_port);
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(peer_port), .sin6_addr = in6addr_loopback};
    int fd = net_socket(peer_options);
    int result = peer_options->family == NET_IPV6 ? connect(fd, (struct sockaddr *)&v6, sizeof v6)
                                                  : connect(fd, (struct sockaddr *)&v4, sizeof v4);

    if (result != 0)
        scene_fail("connect to port %d", peer_port);
    take(fd);
}

/* net_socket gives the connecting end: the peer's, unless the program connects. */
PEER_VERB(do_connect, rest, "connects")
{
    for (long i = *rest ? scene_number(rest) : 1; i > 0; i--)
        connect_to_program();
    if (!*rest)
        say_names();
}

PEER_VERB(do_listen, rest, "listens")
{
    listener = net_listen(peer_options, 64);
    if (listener < 0)
        scene_fail("listen");
    peer_port = net_port(listener);
}

PEER_VERB(do_accept, rest, "accepts")
{
    take(net_accept(listener));
    say_names();
}

PEER_VERB(do_ignore_callers, rest, "ignores who connects")
{
    if (net_drop(listener, NET_LOSE_ALL) != 0)
        scene_fail("ignore callers");
}

PEER_VERB(do_stop_listening, rest, "stops listening")
{
    close(listener);
    listener = -1;
}

int peer_makes_pair(void)
{
    struct net_pair pair;

    if (net_pair_open(&pair, peer_options) != 0)
        scene_fail("make a pair");
    close(pair.listener);
    take(pair.peer);
    say_names();
    return pair.ours;
}

/* ---- Sending -------------------------------------------------------------------------------------- */

/* Acknowledged is arrived: the program's kernel has it in the receive queue. */
static void send_and_wait(struct peer *peer, long size)
{
    int error = scene_write(peer->fd, peer->sent, size);

    peer->sent += size;
    errno = error ? error : ETIMEDOUT;
    if (error || !net_wait_for(net_unacked, peer->fd, 0))
        scene_fail("send %ld bytes", size);
}

PEER_VERB(do_send, rest, "sends")
{
    send_and_wait(latest(), scene_number(rest));
}

PEER_VERB(do_send_all, rest, "all send")
{
    for (int i = 0; i < count; i++)
        if (!peers[i].ended)
            send_and_wait(&peers[i], scene_number(rest));
}

PEER_VERB(do_send_urgent, rest, "sends urgent")
{
    unsigned char byte = scene_byte(latest()->sent++);

    if (send(latest()->fd, &byte, 1, MSG_OOB) != 1 || !net_wait_for(net_unacked, latest()->fd, 0))
        scene_fail("send an urgent byte");
}

/* By a process that does nothing else, so that the program can do something meanwhile. */
PEER_VERB(do_pour, rest, "pours")
{
    struct peer *peer = latest();
    pid_t child = fork();

    if (child == 0)
        _exit(scene_write(peer->fd, peer->sent, scene_number(rest)) != 0);
    if (child < 0)
        scene_fail("fork");
    peer->sent += scene_number(rest);
}

/* What is answered with a reset is never acknowledged. */
PEER_VERB(do_send_late, rest, "sends late")
{
    scene_say("late=%s",
              scene_errno(scene_write(latest()->fd, latest()->sent, scene_number(rest))));
}

/* A byte at a time, with pauses between. */
PEER_VERB(do_trickle, rest, "trickles")
{
    const struct timespec pause = {.tv_nsec = 100000000};

    for (long i = scene_number(rest); i > 0; i--) {
        nanosleep(&pause, NULL);
        send_and_wait(latest(), 1);
    }
}

PEER_VERB(do_shut, rest, "shuts down")
{
    if (shutdown(latest()->fd, SHUT_WR) != 0 || !net_wait_for(net_unacked, latest()->fd, 0))
        scene_fail("end the peer's side");
}

/* ---- What the kernel says of the other end ------------------------------------------------------------ */

/* Two lines of /proc/net/tcp are those of one connection: of the program's end, which is asked for.
 */
struct other_end {
    unsigned state;
    unsigned long unread;
    unsigned long inode; /* 0: no descriptor is open on it */
};

static unsigned port_in(const char *name)
{
    return scene_number(strrchr(name, ':') + 1);
}

/* False if there is none any more. A mapped end is among those of IPv6. */
static bool look_at_other_end(struct other_end *end)
{
    struct peer *peer = latest();
    unsigned ours = port_in(peer->ours), its = port_in(peer->its), local, remote;
    bool found = false;
    char line[512];

    for (int i = 0; i < 2 && !found; i++) {
        FILE *file = fopen(i ? "/proc/self/net/tcp6" : "/proc/self/net/tcp", "re");
        while (file && !found && fgets(line, sizeof line, file))
            found = sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%x %x %*x:%lx %*s %*s %*s %*s %lu",
                           &local, &remote, &end->state, &end->unread, &end->inode) == 5 &&
                    local == ours && remote == its;
        if (file)
            fclose(file);
    }
    return found;
}

static bool is_read(void *unused)
{
    struct other_end end;

    (void)unused;
    return !look_at_other_end(&end) || end.unread == 0;
}

/* Somebody reads what the peer has sent, or the end is gone. */
PEER_VERB(do_await_reading, rest, "awaits its being read")
{
    errno = ETIMEDOUT;
    if (!net_wait_until(is_read, NULL))
        scene_fail("have all read");
}

static bool is_orphan(void *unused)
{
    struct other_end end;

    (void)unused;
    return !look_at_other_end(&end) || end.inode == 0;
}

PEER_VERB(do_await_orphan, rest, "awaits its being given up")
{
    errno = ETIMEDOUT;
    if (!net_wait_until(is_orphan, NULL))
        scene_fail("see the other end given up");
}

/* Whether a descriptor is open on the other end. */
PEER_VERB(do_see_who_holds, rest, "sees who holds it")
{
    struct other_end end;

    scene_say("held=%s", look_at_other_end(&end) && end.inode ? "yes" : "no");
}

/* ---- Hearing -------------------------------------------------------------------------------------- */

static void ignore(enum net_loss what)
{
    if (net_drop(latest()->fd, what) != 0)
        scene_fail("ignore segments");
}

PEER_VERB(do_ignore_fin, rest, "ignores FIN")
{
    ignore(NET_LOSE_FIN);
}

PEER_VERB(do_hear, rest, "hears again")
{
    if (net_hear(latest()->fd) != 0)
        scene_fail("hear again");
}

PEER_VERB(do_read, rest, "reads")
{
    struct peer *peer = latest();
    bool right;
    long got;
    int error = scene_read(peer->fd, peer->got, scene_number(rest), &got, &right);

    peer->got += got;
    scene_say("peer_read=%ld %s %s", got, right ? "right" : "wrong", scene_errno(error));
}

/* In fifty portions, with pauses between. */
PEER_VERB(do_read_slowly, rest, "reads slowly")
{
    enum { PORTIONS = 50 };
    const struct timespec pause = {.tv_nsec = 100000000};
    struct peer *peer = latest();
    long size = scene_number(rest) / PORTIONS;
    bool all_right = true;

    for (int i = 0; i < PORTIONS; i++) {
        bool right;
        long got;
        int error = scene_read(peer->fd, peer->got, size, &got, &right);
        peer->got += got;
        all_right &= right && !error && got == size;
        nanosleep(&pause, NULL);
    }
    scene_say("read_slowly=%s", all_right ? "right" : "wrong");
}

/* How the stream ended, all that was read of it before, and whether that was right. SO_ERROR after
 * an EOF shows a reset that followed the FIN. */
PEER_VERB(do_read_to_end, rest, "reads to the end")
{
    struct peer *peer = latest();
    int pending = 0;
    socklen_t size = sizeof pending;
    bool right;
    long got;
    int error = scene_read(peer->fd, peer->got, -1, &got, &right);

    peer->got += got;
    getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &pending, &size);
    scene_say("peer_bytes=%ld", peer->got);
    scene_say("peer_data=%s", right ? "right" : "wrong");
    scene_say("peer_end=%s", net_end_text(error));
    scene_say("peer_pending=%s", scene_errno(pending));
}

/* How many of those that were not read to their end before ended with EOF, and how many with a
 * reset. They stay open: in a crowd, the kernel answers one or the other peer's FIN with a reset,
 * when an acknowledgement that was delayed turns the program's end into a TIME_WAIT at that moment.
 */
PEER_VERB(do_read_all_to_end, rest, "all read to the end")
{
    long eof = 0, reset = 0, other = 0;

    for (int i = 0; i < count; i++) {
        bool right;
        if (peers[i].ended)
            continue;
        int error = scene_read(peers[i].fd, 0, -1, &peers[i].got, &right);
        eof += error == 0;
        reset += error == ECONNRESET;
        other += error && error != ECONNRESET;
        peers[i].ended = true;
    }
    scene_say("peers_eof=%ld", eof);
    scene_say("peers_reset=%ld", reset);
    scene_say("peers_other=%ld", other);
}

/* ---- Leaving -------------------------------------------------------------------------------------- */

PEER_VERB(do_close, rest, "closes")
{
    close(latest()->fd);
    latest()->fd = -1;
}

PEER_VERB(do_close_all, rest, "all close")
{
    for (int i = 0; i < count; i++)
        close(peers[i].fd);
}

PEER_VERB(do_reset, rest, "resets")
{
    if (net_zero_linger(latest()->fd) != 0)
        scene_fail("reset");
    do_close(rest);
}

/* Blanks between. */
static char reasons[1024];

/* The trace is machine-wide and its buffer small: what others reset meanwhile may push ours out, so
 * it is looked at after every step, and only few connections are asked for. */
void peer_notes_reasons(void)
{
    enum { FEW = 16 };
    const char *reason;

    for (int i = 0; i < count && count <= FEW; i++)
        while ((reason = net_trace_reason(peers[i].ours, peers[i].its)) && *reason)
            snprintf(reasons + strlen(reasons), sizeof reasons - strlen(reasons), "%s%s",
                     *reasons ? " " : "", reason);
}

void peer_says_reasons(void)
{
    peer_notes_reasons();
    scene_say("~reason=%s", reasons);
}
