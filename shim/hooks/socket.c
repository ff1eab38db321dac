/* Where TCP sockets come from, and what is asked of them. These hooks only watch. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/boundary.h"
#include "ground/real.h"

EXPORT int socket(int domain, int type, int protocol)
{
    struct fd_info info = socket_begin();

    return (int)socket_end(info, domain, type, protocol, real_socket(domain, type, protocol));
}

EXPORT int socketpair(int domain, int type, int protocol, int pair[2])
{
    return (int)socket_pair_end(pair, real_socketpair(domain, type, protocol, pair));
}

EXPORT int listen(int fd, int backlog)
{
    return (int)socket_listen_end(fd, real_listen(fd, backlog));
}

EXPORT int accept(int listener, struct sockaddr *restrict address, socklen_t *restrict len)
{
    struct accepting a;

    socket_accept_begin(&a, listener, address, len);
    return (int)socket_accept_end(&a, listener, real_accept(listener, a.address, a.len));
}

EXPORT int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len,
                   int flags)
{
    struct accepting a;

    socket_accept_begin(&a, listener, address, len);
    return (int)socket_accept_end(&a, listener, real_accept4(listener, a.address, a.len, flags));
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return (int)socket_connect_end(fd, address, len, real_connect(fd, address, len));
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    socket_option_begin(fd, level, name);
    return real_setsockopt(fd, level, name, value, len);
}

EXPORT int shutdown(int fd, int how)
{
    return (int)socket_shutdown_end(fd, how, real_shutdown(fd, how));
}

EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    uint64_t begun = socket_epoll_begin(epoll, operation, fd);

    return (int)socket_epoll_end(begun, epoll, operation, fd,
                                 real_epoll_ctl(epoll, operation, fd, event));
}

/* glibc has these names too. */
ALIAS(connect) int __connect(int fd, const struct sockaddr *address, socklen_t len);
