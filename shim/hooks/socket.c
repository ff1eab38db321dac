/* Where TCP sockets come from, and what is asked of them. These hooks only watch. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../fdtable.h"
#include "../linger.h"
#include "../real.h"
#include "../track.h"

EXPORT int socket(int domain, int type, int protocol)
{
    uint32_t epoch = boundary_epoch();
    int fd = real_socket(domain, type, protocol);

    if (fd >= 0 && boundary_enter())
        track_socket(fd, domain, type, protocol, epoch);
    return fd;
}

EXPORT int socketpair(int domain, int type, int protocol, int pair[2])
{
    int ret = real_socketpair(domain, type, protocol, pair);

    if (ret == 0 && boundary_enter()) {
        track_other(pair[0]);
        track_other(pair[1]);
    }
    return ret;
}

EXPORT int listen(int fd, int backlog)
{
    int ret = real_listen(fd, backlog);

    if (ret == 0 && boundary_enter())
        track_listening(fd);
    return ret;
}

/*
 * Whom a number stands for is known by the peer's address, so where a program doesn't ask for it we
 * do. That changes nothing for a TCP socket; of other kinds one could not have a name to give. The
 * program's own buffer and length are touched only when the kernel has just written to them.
 */
struct accepting {
    bool watched;
    uint32_t epoch;
    struct sockaddr_in6 own;
    struct sockaddr *address;
    socklen_t *len;
    socklen_t own_len;
};

static void accept_begin(struct accepting *a, int listener, struct sockaddr *address,
                         socklen_t *len)
{
    a->watched = boundary_enter() && track_listens_tcp(listener);
    a->epoch = boundary_epoch();
    a->address = address;
    a->len = len;
    if (a->watched && !address) {
        a->own_len = sizeof(a->own);
        a->address = (struct sockaddr *)&a->own;
        a->len = &a->own_len;
    }
}

/* The length tells what the address takes, not what there was room for. That an IPv4 address fitted
 * can be taken for granted; anything longer is asked for anew. */
static void accept_end(const struct accepting *a, int listener, int fd)
{
    bool whole;

    if (fd < 0 || !boundary_enter())
        return;
    if (!a->watched) {
        track_other(fd);
        return;
    }
    whole = a->len == &a->own_len || *a->len == sizeof(struct sockaddr_in);
    track_accepted(listener, fd, whole ? a->address : NULL, *a->len, a->epoch);
    linger_prepare();
}

EXPORT int accept(int listener, struct sockaddr *restrict address, socklen_t *restrict len)
{
    struct accepting a;
    int fd;

    accept_begin(&a, listener, address, len);
    fd = real_accept(listener, a.address, a.len);
    accept_end(&a, listener, fd);
    return fd;
}

EXPORT int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len,
                   int flags)
{
    struct accepting a;
    int fd;

    accept_begin(&a, listener, address, len);
    fd = real_accept4(listener, a.address, a.len, flags);
    accept_end(&a, listener, fd);
    return fd;
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    int ret = real_connect(fd, address, len);
    bool under_way = ret < 0 && (errno == EINPROGRESS || errno == EINTR);

    if ((ret == 0 || under_way) && boundary_enter()) {
        track_connected(fd, address, len, under_way);
        if (fdtable_get(fd).flags & FD_TCP)
            linger_prepare();
    }
    return ret;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (boundary_enter())
        track_option(fd, level, name);
    return real_setsockopt(fd, level, name, value, len);
}

EXPORT int shutdown(int fd, int how)
{
    int ret = real_shutdown(fd, how);

    if (ret == 0 && boundary_enter())
        track_shutdown(fd, how);
    return ret;
}

/* glibc has these names too. */
ALIAS(connect) int __connect(int fd, const struct sockaddr *address, socklen_t len);
