/* Where TCP sockets come from, and what is asked of them. These doors only watch. */
#include "safeclose.h"

#include "doors/doors.h"
#include "doors/track.h"
#include "ground/boundary.h"
#include "holders/family.h"
#include "holders/holders.h"
#include "holders/owner.h"
#include "holders/rings.h"
#include "remedy/linger.h"
#include "report/event.h"
#include "tcp/first_use.h"
#include "tcp/pending.h"
#include "tcp/probe.h"

#include <linux/tcp.h>
#include <sys/epoll.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static const struct fd_info other;

/* The entry for what is about to be created. */
struct fd_info socket_begin(void)
{
    return holders_new_info();
}

long socket_end(struct fd_info info, int domain, int type, int protocol, long fd)
{
    bool stream = (type & 0xf) == SOCK_STREAM; /* SOCK_CLOEXEC and SOCK_NONBLOCK are or'ed in */

    if (fd < 0 || !boundary_enter())
        return fd;
    info.flags = FD_TCP | FD_CREATED;
    if ((domain != AF_INET && domain != AF_INET6) || !stream ||
        (protocol && protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP))
        info = other;
    else if (protocol == IPPROTO_MPTCP)
        info.flags |= FD_MPTCP;
    track_new((int)fd, info);
    return fd;
}

long socket_pair_end(const int pair[2], long ret)
{
    if (ret == 0 && boundary_enter()) {
        track_new(pair[0], other);
        track_new(pair[1], other);
    }
    return ret;
}

long socket_listen_end(int fd, long ret)
{
    if (ret == 0 && boundary_enter() && track_flags(fd) & FD_TCP) {
        fdtable_add(fd, FD_LISTENING);
        first_use_opening();
        linger_prepare_limited();
    }
    return ret;
}

/* We identify a connection by its peer, so we ask accept for it even if the program passed NULL.
 * That changes nothing for a TCP socket; of other kinds one could not have a name to give. */
void socket_accept_begin(struct accepting *a, int listener, struct sockaddr *address,
                         socklen_t *len)
{
    a->watched = boundary_enter() && track_flags(listener) & FD_TCP;
    a->info = holders_new_info();
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
static struct endpoint peer_of(const struct accepting *a, int fd)
{
    if (a->len == &a->own_len || *a->len == sizeof(struct sockaddr_in))
        return probe_endpoint(a->address, *a->len);
    return probe_peer(fd);
}

long socket_accept_end(const struct accepting *a, int listener, long fd)
{
    struct fd_info info = a->watched ? a->info : other;
    struct endpoint peer;
    uint32_t flags;

    if (fd < 0 || !boundary_enter())
        return fd;
    if (a->watched) {
        flags = track_flags(listener);
        if (!(flags & FD_LISTENING))
            fdtable_add(listener, FD_LISTENING);
        peer = peer_of(a, (int)fd);
        info.peer = owner_peer_hash(&peer);
        /* An accepted socket inherits options, and its protocol, from the listening one, by whatever number and in
         * whatever process they were set. */
        info.flags = FD_TCP | FD_CREATED | FD_PEER |
                     (flags & (FD_MPTCP | FD_ASK_LINGER | FD_LOWAT)) |
                     (family_knows_linger2() ? FD_ASK_LINGER : 0);
    }
    track_new((int)fd, info);
    if (a->watched) {
        first_use_opening();
        pending_ask_again();
        linger_prepare(boundary_likely_threads());
    }
    return fd;
}

/* Connecting to "any" means to this machine (ip(7)), and getpeername will say so. */
static void name_loopback(struct endpoint *peer)
{
    static const uint8_t any[16];

    if (memcmp(peer->addr, any, peer->v4 ? 4 : 16) != 0)
        return;
    if (peer->v4)
        peer->addr[0] = 127;
    peer->addr[peer->v4 ? 3 : 15] = 1;
}

long socket_connect_end(int fd, const struct sockaddr *address, socklen_t len, long ret)
{
    bool under_way = ret < 0 && (errno == EINPROGRESS || errno == EINTR);
    struct endpoint peer;

    if (!(ret == 0 || under_way) || !boundary_enter() || !(track_flags(fd) & FD_TCP))
        return ret;
    if (under_way) {
        peer = probe_endpoint(address, len);
        name_loopback(&peer);
    } else {
        peer = probe_peer(fd);
    }
    fdtable_connected(fd, owner_peer_hash(&peer));
    if (peer.known) /* not after connect to AF_UNSPEC, which disconnects */
        first_use_opening();
    linger_prepare(boundary_likely_threads());
    return ret;
}

/* Before the call, because another thread's close must not miss it. If the call fails, a close asks the kernel once
 * more than it had to. Of a listening socket's options the others who accept from it learn by the family. */
void socket_option_begin(int fd, int level, int name)
{
    bool linger2 = level == IPPROTO_TCP && name == TCP_LINGER2;
    uint32_t flags = linger2 || (level == SOL_SOCKET && name == SO_LINGER) ? FD_ASK_LINGER
                     : level == SOL_SOCKET && name == SO_RCVLOWAT          ? FD_LOWAT
                                                                           : 0;
    struct fd_info info;

    if (!flags || !boundary_enter())
        return;
    fdtable_add(fd, flags);
    info = fdtable_get(fd);
    if (linger2 || (!(info.flags & FD_PEER) && holders_were_others(&info)))
        family_linger2();
}

long socket_shutdown_end(int fd, int how, long ret)
{
    uint32_t flags = (how != SHUT_WR ? FD_READ_SHUT : 0) | (how != SHUT_RD ? FD_HALF_CLOSED : 0);

    if (ret == 0 && boundary_enter() && track_flags(fd) & FD_TCP)
        fdtable_add(fd, flags);
    return ret;
}

/* In which epoll sets a connection is. Returns what socket_epoll_end takes: whether the table had it in this set
 * already, or the count of rings. */
uint64_t socket_epoll_begin(int epoll, int operation, int fd)
{
    if (operation == EPOLL_CTL_ADD && boundary_enter())
        return holders_enter_epoll_begin(fd, epoll);
    return rings_count();
}

long socket_epoll_end(uint64_t begun, int epoll, int operation, int fd, long ret)
{
    if (!boundary_enter())
        return ret;
    if (operation == EPOLL_CTL_ADD)
        holders_enter_epoll_end(fd, epoll, begun, ret);
    else if (operation == EPOLL_CTL_DEL && ret == 0)
        fdtable_leave_epoll(fd, epoll, begun);
    return ret;
}
