#include "safeclose.h"

#include "boundary.h"
#include "event.h"
#include "fdtable.h"
#include "owner.h"
#include "probe.h"
#include "proc.h"
#include "share.h"
#include "sys.h"
#include "track.h"

#include <linux/tcp.h>
#include <sys/epoll.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* fd is a new number. What was noted of it before was closed unseen, or its count would have been
 * dropped. */
static void note_new(int fd, struct fd_note note)
{
    struct fd_note old = fdtable_take(fd);

    share_drop(&old);
    if (note.flags)
        fdtable_set(fd, note);
}

void track_other(int fd)
{
    note_new(fd, (struct fd_note){0});
}

void track_socket(int fd, int domain, int type, int protocol, uint32_t epoch)
{
    bool stream = (type & 0xf) == SOCK_STREAM; /* SOCK_CLOEXEC and SOCK_NONBLOCK are or'ed in */
    struct fd_note note = {.epoch = epoch, .flags = FD_TCP | FD_BORN};

    if ((domain != AF_INET && domain != AF_INET6) || !stream ||
        (protocol && protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)) {
        track_other(fd);
        return;
    }
    if (protocol == IPPROTO_MPTCP)
        note.flags |= FD_MPTCP;
    note_new(fd, note);
}

/* What there is to know of a socket that was created out of sight; 0 where it is none. */
static uint32_t ask_flags(int fd)
{
    uint32_t flags = FD_TCP | FD_ARRIVED;
    bool zero;

    switch (probe_kind(fd)) {
    case PROBE_MPTCP:
        return flags | FD_MPTCP;
    case PROBE_TCP:
        if (!probe_zero_linger(fd, 0, &zero) || zero)
            flags |= FD_ASK_LINGER;
        if (probe_state(fd) == STATE_LISTEN)
            flags |= FD_LISTENING;
        return flags;
    case PROBE_OTHER:
        return FD_OTHER;
    default:
        return 0;
    }
}

/* What is known of a socket, asked now where it came unseen, and noted. */
static uint32_t known_flags(int fd)
{
    uint32_t flags = fdtable_get(fd).flags;

    if (!(flags & (FD_TCP | FD_OTHER))) {
        flags |= ask_flags(fd);
        fdtable_add(fd, flags);
    }
    return flags;
}

void track_arrived(int fd)
{
    struct fd_note note = {.epoch = boundary_epoch(), .flags = ask_flags(fd)};
    struct endpoint peer;

    if (note.flags & FD_TCP && !(note.flags & FD_LISTENING)) {
        peer = probe_peer(fd);
        note.peer = owner_peer_hash(&peer);
        note.flags |= peer.known ? FD_PEER : 0;
    }
    note_new(fd, note);
}

static bool visit_inherited(int dir, const char *name, int number, void *context)
{
    (void)name;
    (void)context;
    if (number != dir && probe_kind(number) != PROBE_NOT_SOCKET)
        track_arrived(number);
    return true;
}

/* Where there is no /proc, the numbers that are ever handed on: inetd's, and socket activation's.
 */
void track_inherited(void)
{
    long dir = proc_open("/proc/self/fd");

    if (dir < 0) {
        for (int fd = 0; fd < 64; fd++)
            visit_inherited(-1, NULL, fd, NULL);
        return;
    }
    proc_walk((int)dir, visit_inherited, NULL);
    sys1(SYS_close, dir);
}

void track_listening(int fd)
{
    if (known_flags(fd) & FD_TCP)
        fdtable_add(fd, FD_LISTENING);
}

bool track_listens_tcp(int listener)
{
    return known_flags(listener) & FD_TCP;
}

void track_accepted(int listener, int fd, const void *address, socklen_t len, uint32_t epoch)
{
    uint32_t flags = known_flags(listener);
    struct endpoint peer = address ? probe_endpoint(address, len) : probe_peer(fd);

    if (!(flags & FD_LISTENING))
        fdtable_add(listener, FD_LISTENING);
    /* An accepted socket inherits SO_LINGER, and its protocol, from the listening one. */
    note_new(fd, (struct fd_note){
                     .peer = owner_peer_hash(&peer),
                     .epoch = epoch,
                     .flags = FD_TCP | FD_BORN | FD_PEER |
                              (flags & (FD_MPTCP | FD_ASK_LINGER | FD_LOWAT)),
                 });
    event_first_use(true);
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

void track_connected(int fd, const struct sockaddr *address, socklen_t len, bool under_way)
{
    struct endpoint peer;

    if (!(known_flags(fd) & FD_TCP))
        return;
    if (under_way) {
        peer = probe_endpoint(address, len);
        name_loopback(&peer);
    } else {
        peer = probe_peer(fd);
    }
    fdtable_connected(fd, owner_peer_hash(&peer));
    if (peer.known) /* not after connect to AF_UNSPEC, which disconnects */
        event_first_use(true);
}

void track_grabbed(int fd)
{
    share_grabbed();
    if (boundary_enter())
        track_arrived(fd);
}

void track_option(int fd, int level, int name)
{
    if ((level == SOL_SOCKET && name == SO_LINGER) || (level == IPPROTO_TCP && name == TCP_LINGER2))
        fdtable_add(fd, FD_ASK_LINGER);
    if (level == IPPROTO_TCP && name == TCP_LINGER2)
        share_linger2();
    if (level == SOL_SOCKET && name == SO_RCVLOWAT)
        fdtable_add(fd, FD_LOWAT);
}

void track_epoll(int epoll, int operation, int fd)
{
    if (operation == EPOLL_CTL_ADD)
        fdtable_enter_epoll(fd, epoll);
    else if (operation == EPOLL_CTL_DEL)
        fdtable_leave_epoll(fd, epoll);
}

void track_shutdown(int fd, int how)
{
    uint32_t flags = (how != SHUT_WR ? FD_READ_SHUT : 0) | (how != SHUT_RD ? FD_HALF_CLOSED : 0);

    if (fdtable_get(fd).flags & FD_TCP)
        fdtable_add(fd, flags);
}

void track_copied(int fd, int copy, uint32_t epoch)
{
    if (boundary_vfork_child())
        share_lose(fd);
    else if (fd != copy && boundary_enter())
        note_new(copy, share_copied(fd, epoch));
}

static void each_descriptor(const struct msghdr *message, void (*visit)(int fd))
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR((struct msghdr *)message, c)) {
        size_t room = (size_t)((const char *)message->msg_control + message->msg_controllen -
                               (const char *)CMSG_DATA(c));
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
            continue;
        /* Only UNIX sockets look at the length; others take a message with any. */
        for (size_t at = 0; at + sizeof(int) <= size && at + sizeof(int) <= room;
             at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            visit(fd);
        }
    }
}

void track_sent(const struct msghdr *message)
{
    each_descriptor(message, share_lose);
}

void track_received(const struct msghdr *message)
{
    each_descriptor(message, track_arrived);
}
