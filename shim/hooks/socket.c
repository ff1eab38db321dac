/* Where TCP sockets come from. These hooks only watch. */
#include "../safeclose.h"

#include "../boundary.h"
#include "../fdtable.h"
#include "../real.h"
#include "../track.h"

EXPORT int socket(int domain, int type, int protocol)
{
    int fd = real_socket(domain, type, protocol);

    if (fd >= 0 && boundary_enter())
        track_socket(fd, domain, type, protocol);
    return fd;
}

EXPORT int listen(int fd, int backlog)
{
    int ret = real_listen(fd, backlog);

    if (ret == 0 && boundary_enter())
        track_listening(fd);
    return ret;
}

/* The buffer's size before the call tells afterwards whether the address fitted. It is the
 * program's memory, and read only where the kernel has just written to it. */
static socklen_t room_for(const struct sockaddr *address, const socklen_t *len)
{
    return address && len ? *len : 0;
}

EXPORT int accept(int listener, struct sockaddr *restrict address, socklen_t *restrict len)
{
    bool in = boundary_enter();
    uint32_t epoch = boundary_epoch();
    socklen_t room = room_for(address, len);
    int fd = real_accept(listener, address, len);

    if (fd >= 0 && in)
        track_accepted(listener, fd, address, len, room, epoch);
    return fd;
}

EXPORT int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict len,
                   int flags)
{
    bool in = boundary_enter();
    uint32_t epoch = boundary_epoch();
    socklen_t room = room_for(address, len);
    int fd = real_accept4(listener, address, len, flags);

    if (fd >= 0 && in)
        track_accepted(listener, fd, address, len, room, epoch);
    return fd;
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    int ret = real_connect(fd, address, len);
    bool under_way = ret < 0 && (errno == EINPROGRESS || errno == EINTR);

    if ((ret == 0 || under_way) && boundary_enter())
        track_connected(fd, address, len, under_way);
    return ret;
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (level == SOL_SOCKET && name == SO_LINGER && boundary_enter())
        fdtable_add(fd, FD_ASK_LINGER);
    return real_setsockopt(fd, level, name, value, len);
}
