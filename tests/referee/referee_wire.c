/* Sockets and addresses of a scenario, and the bytes that go between its ends. */
#define _GNU_SOURCE
#include "referee.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static int family_of(const struct scenario *s, bool ours)
{
    return s->family == NET_IPV4 || (s->family == NET_MAPPED && !ours) ? AF_INET : AF_INET6;
}

static void set(int fd, int level, int option, int value)
{
    if (value)
        setsockopt(fd, level, option, &value, sizeof value);
}

int wire_socket(const struct scenario *s, bool ours)
{
    int fd = socket(family_of(s, ours), SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    set(fd, SOL_SOCKET, SO_SNDBUF, ours ? s->our_send_buffer : 0);
    set(fd, SOL_SOCKET, SO_RCVBUF, ours ? s->our_receive_buffer : s->peer_receive_buffer);
    set(fd, IPPROTO_TCP, TCP_MAXSEG, s->segment_size);
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (ours && s->device)
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo");
    return fd;
}

struct sockaddr_in6 wire_address(const struct scenario *s, bool ours, const struct place *place,
                                 int port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    if (family_of(s, ours) == AF_INET) {
        v4.sin_addr = place->v4;
        memset(&address, 0, sizeof address);
        memcpy(&address, &v4, sizeof v4);
    } else if (s->family == NET_MAPPED) {
        memset(address.sin6_addr.s6_addr + 10, 0xff, 2);
        memcpy(address.sin6_addr.s6_addr + 12, &place->v4, sizeof place->v4);
    } else {
        address.sin6_addr = place->v6;
    }
    return address;
}

static socklen_t size_of(const struct sockaddr_in6 *address)
{
    return address->sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof *address;
}

int wire_listen(const struct scenario *s, bool ours, const struct sockaddr_in6 *address)
{
    struct linger reset = {1, 0};
    int no = 0;
    int fd = wire_socket(s, ours);

    if (fd < 0)
        return -1;
    if (s->family == NET_MAPPED && ours)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (s->inherits_linger && ours)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (bind(fd, (const struct sockaddr *)address, size_of(address)) != 0 || listen(fd, 16) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int wire_connect(int fd, const struct sockaddr_in6 *address)
{
    return connect(fd, (const struct sockaddr *)address, size_of(address));
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

enum { MOST = 1 << 20, PERIOD = 1 << 16 };
static unsigned char bytes[MOST];    /* by the one thread that sends and receives */
static unsigned char period[PERIOD]; /* the stream, over and over; by stream_prepare only */

/* In the template, so that its children need no pages of their own for it. */
void stream_prepare(void)
{
    for (uint32_t i = 0; i < PERIOD; i++)
        period[i] = stream_byte(i);
}

/* The part of the SIZE bytes from AT on that lies in one piece. */
static struct iovec piece_at(uint32_t at, size_t size)
{
    uint32_t from = at % PERIOD;

    return (struct iovec){period + from, size < PERIOD - from ? size : PERIOD - from};
}

static ssize_t send_once(int fd, uint32_t at, size_t size, int flags)
{
    struct iovec pieces[MOST / PERIOD + 1];
    struct msghdr message = {.msg_iov = pieces};

    for (size_t done = 0; done < size; done += pieces[message.msg_iovlen++].iov_len)
        pieces[message.msg_iovlen] = piece_at(at + (uint32_t)done, size - done);
    if (message.msg_iovlen == 1)
        return send(fd, pieces[0].iov_base, pieces[0].iov_len, flags);
    return sendmsg(fd, &message, flags);
}

int stream_send(int fd, uint32_t at, uint32_t size, int flags)
{
    uint32_t done = 0;

    while (done < size) {
        ssize_t n = send_once(fd, at + done, size - done, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return done ? (int)done : (int)n;
        done += (uint32_t)n;
    }
    return (int)done;
}

int stream_recv(int fd, uint32_t at, uint32_t size, int flags, bool *garbled)
{
    ssize_t n = recv(fd, bytes, size < MOST ? size : MOST, flags | MSG_DONTWAIT);
    int error = errno;

    for (size_t done = 0; n > 0 && done < (size_t)n;) {
        struct iovec piece = piece_at(at + (uint32_t)done, (size_t)n - done);
        *garbled |= memcmp(bytes + done, piece.iov_base, piece.iov_len) != 0;
        done += piece.iov_len;
    }
    errno = error;
    return (int)n;
}

/* ---- Questions ------------------------------------------------------------------------------- */

/* libc's struct tcp_info ends before these, whose places are ABI. */
static uint32_t info_at(const unsigned char *info, size_t at)
{
    uint32_t value;

    memcpy(&value, info + at, sizeof value);
    return value;
}

void sample_take(int fd, struct sample *sample)
{
    enum { STATE_AT = 0, SEGMENT_AT = 16, BACKLOG_AT = 24, RECEIVED_AT = 128, WINDOW_AT = 228 };
    unsigned char info[256] = {0};
    socklen_t size = sizeof info;
    socklen_t cookie_size = sizeof sample->cookie;
    int yes = 1;

    memset(sample, 0, sizeof *sample);
    /* Whoever holds an acknowledgement back sends it now. */
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0) {
        sample->state = info[STATE_AT];
        sample->segment = (int)info_at(info, SEGMENT_AT);
        sample->backlog = (int)info_at(info, BACKLOG_AT);
        sample->received = info_at(info, RECEIVED_AT);
        sample->window = size >= WINDOW_AT + 4 ? (int)info_at(info, WINDOW_AT) : 0;
    }
    sample->unread = net_unread(fd);
    sample->unacked = net_unacked(fd);
    sample->unsent = net_unsent(fd);
    sample->at_mark = net_at_mark(fd);
    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &sample->cookie, &cookie_size);
}
