/* The other side of a scene's connections (inject.h). */
#define _GNU_SOURCE
#include "net.h"

#include "inject.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS 64

static int slots[SLOTS];
static int listener;

static void take(int slot, int fd)
{
    if (slots[slot] >= 0)
        close(slots[slot]);
    slots[slot] = fd;
}

static long connect_to(int slot, int port)
{
    struct sockaddr_in address = net_loopback(port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -errno;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    take(slot, fd);
    return 0;
}

static long send_bytes(int slot, int n, int flags)
{
    char bytes[4096];

    memset(bytes, 'x', sizeof(bytes));
    return send(slots[slot], bytes, (size_t)n < sizeof(bytes) ? (size_t)n : sizeof(bytes),
                flags | MSG_NOSIGNAL) < 0
               ? -errno
               : 0;
}

/* Bytes until the connection ends, and how it does. */
static long read_to_end(int slot, int ms, char text[8])
{
    char bytes[4096];
    long total = 0;

    strcpy(text, "open");
    for (;;) {
        struct pollfd p = {.fd = slots[slot], .events = POLLIN};
        ssize_t n;

        if (poll(&p, 1, ms) <= 0)
            return total;
        n = recv(slots[slot], bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n > 0) {
            total += n;
            continue;
        }
        strcpy(text, n == 0 ? "eof" : errno == ECONNRESET ? "reset" : "error");
        return total;
    }
}

static long read_some(int slot)
{
    char bytes[4096];
    ssize_t n = recv(slots[slot], bytes, sizeof(bytes), MSG_DONTWAIT);

    return n < 0 ? -errno : n;
}

static void look(int slot, char text[8])
{
    struct pollfd p = {.fd = slots[slot], .events = POLLRDHUP};

    poll(&p, 1, 0);
    strcpy(text, p.revents & POLLERR ? "reset" : p.revents & POLLRDHUP ? "eof" : "open");
}

/* A request and, where there is one, the descriptor that came with it. */
static bool receive(int control, struct request *request, int *fd)
{
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
    struct iovec bytes = {request, sizeof(*request)};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *c;

    if (recvmsg(control, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(*request))
        return false;
    *fd = -1;
    c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    return true;
}

static void reply(int control, const struct answer *answer, int fd)
{
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec bytes = {(void *)answer, sizeof(*answer)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    struct cmsghdr *c = (struct cmsghdr *)room;

    if (fd >= 0) {
        message.msg_control = room;
        message.msg_controllen = sizeof(room);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    sendmsg(control, &message, MSG_NOSIGNAL);
}

static struct answer act(const struct request *r, int fd)
{
    struct answer a = {.value = 0};

    switch (r->op) {
    case PEER_CONNECT:
        a.value = connect_to(r->slot, r->argument);
        break;
    case PEER_PORT:
        a.value = net_port(listener);
        break;
    case PEER_ACCEPT:
        take(r->slot, accept(listener, NULL, NULL));
        break;
    case PEER_SEND:
        a.value = send_bytes(r->slot, r->argument, 0);
        break;
    case PEER_URGENT:
        a.value = send_bytes(r->slot, 1, MSG_OOB);
        break;
    case PEER_FINISH:
        shutdown(slots[r->slot], SHUT_WR);
        break;
    case PEER_END:
        a.value = read_to_end(r->slot, r->argument, a.text);
        take(r->slot, -1);
        break;
    case PEER_LOOK:
        look(r->slot, a.text);
        break;
    case PEER_HOLD:
        take(r->slot, fd);
        break;
    case PEER_READ:
        a.value = read_some(r->slot);
        break;
    }
    return a;
}

static void start(void)
{
    struct sockaddr_in address = net_loopback(0);

    for (int i = 0; i < SLOTS; i++)
        slots[i] = -1;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof(address));
    listen(listener, 16);
}

static void tell_rest(int transcript)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        char text[8];
        long bytes;

        if (slots[slot] < 0)
            continue;
        bytes = read_to_end(slot, 300, text);
        dprintf(transcript, "peer %d, left: %ld bytes, %s\n", slot, bytes, text);
    }
}

_Noreturn void peer_run(int control, int transcript)
{
    struct request request;
    int fd;

    start();
    while (receive(control, &request, &fd)) {
        struct answer answer = act(&request, fd);
        bool hands = request.op == PEER_HAND;

        reply(control, &answer, hands ? slots[request.slot] : -1);
        if (hands)
            take(request.slot, -1);
    }
    tell_rest(transcript);
    _exit(0);
}
