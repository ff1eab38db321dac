/*
 * Descriptors of every kind for an attacker to send (attack.h). The peers of its connections are
 * its own too, and stay with it for a while after the descriptor itself was sent and closed.
 */
#define _GNU_SOURCE
#include "attack.h"

#include <fcntl.h>
#include <netinet/tcp.h>

enum { ITEMS = 32, EVERY_US = 3000, LARGE = 200000 };

enum kind {
    PLAIN,
    LINGERS, /* SO_LINGER with a minute, and output that nobody reads: a close that takes long */
    LOW_WATER,
    PEER_ENDED,
    HALF_CLOSED,
    URGENT,
    UNREAD,
    RESET,
    LISTENING,
    UNCONNECTED,
    PIPE,
    FILE_,
    DATAGRAM,
    UNIX_PAIR,
    THE_SOCKET_ITSELF,
    KINDS
};

struct item {
    int fd;   /* -1: sent and closed */
    int peer; /* -1: none */
    bool once;
};

static struct item items[ITEMS];
static bool filled;
static int64_t last;
static char data[LARGE];

static void had_port(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    if (RAW3(getsockname, fd, &address, &len) == 0)
        atomic_store_explicit(&attack_tally->ports[ntohs(address.sin_port)], 1,
                              memory_order_relaxed);
}

static int bound(int type)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ATTACK_ADDRESS)};
    int fd = (int)RAW3(socket, AF_INET, type | SOCK_CLOEXEC, 0);

    RAW3(bind, fd, &own, sizeof own);
    had_port(fd);
    return fd;
}

static int listening(void)
{
    int fd = bound(SOCK_STREAM | SOCK_NONBLOCK);

    RAW2(listen, fd, 16);
    return fd;
}

/* No connection where ports are short. */
static struct item connection(int small)
{
    static int door = -1;
    struct item item = {bound(SOCK_STREAM), -1, false};
    struct sockaddr_in to;
    socklen_t len = sizeof to;

    if (door < 0)
        door = listening();
    if (small)
        RAW6(setsockopt, item.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small, 0);
    if (RAW3(getsockname, door, &to, &len) == 0 && RAW3(connect, item.fd, &to, len) == 0)
        item.peer = (int)RAW4(accept4, door, 0, 0, SOCK_CLOEXEC);
    return item;
}

static void give(int fd, size_t size, int how)
{
    RAW6(sendto, fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL | how, 0, 0);
}

static struct item shaped(enum kind kind)
{
    struct item item = connection(kind == LINGERS ? 4096 : 0);
    const struct linger minute = {1, 60};
    const struct linger zero = {1, 0};
    const int water = 1000;

    switch (kind) {
    case LINGERS:
        /* Sent is the accepted end: the other one has the small window. */
        item = (struct item){item.peer, item.fd, false};
        give(item.fd, LARGE, 0);
        RAW6(setsockopt, item.fd, SOL_SOCKET, SO_LINGER, &minute, sizeof minute, 0);
        break;
    case LOW_WATER:
        give(item.peer, 10, 0);
        RAW6(setsockopt, item.fd, SOL_SOCKET, SO_RCVLOWAT, &water, sizeof water, 0);
        break;
    case PEER_ENDED:
        give(item.peer, 10, 0);
        RAW2(shutdown, item.peer, SHUT_WR);
        break;
    case HALF_CLOSED:
        RAW2(shutdown, item.fd, SHUT_WR);
        break;
    case URGENT:
        give(item.peer, 1, MSG_OOB);
        break;
    case UNREAD:
        give(item.peer, 60000, 0);
        break;
    case RESET:
        RAW6(setsockopt, item.peer, SOL_SOCKET, SO_LINGER, &zero, sizeof zero, 0);
        RAW1(close, item.peer);
        item.peer = -1;
        break;
    default:
        break;
    }
    return item;
}

static struct item make(enum kind kind)
{
    int pair[2] = {-1, -1};

    switch (kind) {
    case LISTENING:
        return (struct item){listening(), -1, false};
    case UNCONNECTED:
        return (struct item){bound(SOCK_STREAM), -1, false};
    case PIPE:
        RAW2(pipe2, pair, O_CLOEXEC);
        return (struct item){pair[0], pair[1], false};
    case FILE_:
        return (struct item){(int)RAW4(openat, AT_FDCWD, "/dev/zero", O_RDONLY | O_CLOEXEC, 0), -1,
                             false};
    case DATAGRAM:
        return (struct item){bound(SOCK_DGRAM), -1, false};
    case UNIX_PAIR:
        RAW4(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
        return (struct item){pair[0], pair[1], false};
    case THE_SOCKET_ITSELF:
        return (struct item){(int)RAW3(fcntl, attack_socket(), F_DUPFD_CLOEXEC, 0), -1, false};
    default:
        return shaped(kind);
    }
}

static void drop(struct item *item)
{
    /* One of its own that lingers would keep the attacker for a minute. */
    const struct linger off = {0, 0};

    if (item->fd >= 0) {
        RAW6(setsockopt, item->fd, SOL_SOCKET, SO_LINGER, &off, sizeof off, 0);
        RAW1(close, item->fd);
    }
    if (item->peer >= 0)
        RAW1(close, item->peer);
}

static void fill(void)
{
    for (int i = 0; i < ITEMS; i++)
        items[i] = make((enum kind)(i % KINDS));
    filled = true;
}

/* Of new ones only so many a second: ports are not many. */
static void renew(void)
{
    struct item *item = &items[attack_below(ITEMS)];
    int64_t now = attack_now_us();

    if (now - last < EVERY_US)
        return;
    last = now;
    drop(item);
    *item = make((enum kind)attack_below(KINDS));
    item->once = attack_one_in(2);
}

int attack_pool_take(void)
{
    if (!filled)
        fill();
    renew();
    for (int tries = 0; tries < ITEMS; tries++) {
        const struct item *item = &items[attack_below(ITEMS)];
        if (item->fd >= 0)
            return item->fd;
    }
    return STDERR_FILENO;
}

/* Closed here, it is the receiver's alone from now on. */
void attack_pool_done(int fd)
{
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].fd != fd || !items[i].once)
            continue;
        RAW1(close, fd);
        items[i].fd = -1;
    }
}

/* Noted by the library, as it sees libc's names. */
static int noted_socket(const struct sockaddr_in *own)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bind(fd, (const struct sockaddr *)own, sizeof *own);
    had_port(fd);
    return fd;
}

void attack_honest_closes(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ATTACK_ADDRESS)};
    socklen_t len = sizeof own;
    int door = noted_socket(&own);
    int end = noted_socket(&own);
    int other = -1;

    if (listen(door, 1) == 0 && getsockname(door, (struct sockaddr *)&own, &len) == 0 &&
        connect(end, (struct sockaddr *)&own, len) == 0)
        other = accept4(door, NULL, NULL, SOCK_CLOEXEC);
    if (other >= 0) {
        give(end, 100, 0);
        close(other);
    }
    close(end);
    close(door);
}
