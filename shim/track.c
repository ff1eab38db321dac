#include "safeclose.h"

#include "boundary.h"
#include "event.h"
#include "fdtable.h"
#include "owner.h"
#include "probe.h"
#include "track.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

void track_socket(int fd, int domain, int type, int protocol)
{
    bool stream = (type & 0xf) == SOCK_STREAM; /* SOCK_CLOEXEC and SOCK_NONBLOCK are or'ed in */
    struct fd_note note = {.epoch = boundary_epoch(), .flags = FD_TCP | FD_BORN};

    if ((domain != AF_INET && domain != AF_INET6) || !stream ||
        (protocol && protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)) {
        fdtable_forget(fd);
        return;
    }
    if (protocol == IPPROTO_MPTCP)
        note.flags |= FD_MPTCP;
    fdtable_set(fd, note);
}

/* What is known of a socket whose creation may have been missed; asked once, then noted. */
static uint32_t known_flags(int fd)
{
    uint32_t flags = fdtable_get(fd).flags;

    if (flags & (FD_TCP | FD_OTHER))
        return flags;
    switch (probe_kind(fd)) {
    case PROBE_TCP:
        flags = FD_TCP | (probe_zero_linger(fd) ? FD_ASK_LINGER : 0);
        break;
    case PROBE_MPTCP:
        flags = FD_TCP | FD_MPTCP;
        break;
    default:
        flags = FD_OTHER;
    }
    fdtable_add(fd, flags);
    return flags;
}

void track_listening(int fd)
{
    if (known_flags(fd) & FD_TCP)
        fdtable_add(fd, FD_LISTENING);
}

void track_accepted(int listener, int fd, const struct sockaddr *address, const socklen_t *len,
                    socklen_t room, uint32_t epoch)
{
    uint32_t flags = known_flags(listener);
    struct endpoint peer;

    if (!(flags & FD_TCP)) {
        fdtable_forget(fd);
        return;
    }
    if (!(flags & FD_LISTENING))
        fdtable_add(listener, FD_LISTENING);
    peer = address && len && *len <= room ? probe_endpoint(address, *len) : probe_peer(fd);
    /* An accepted socket inherits SO_LINGER, and its protocol, from the listening one. */
    fdtable_set(fd, (struct fd_note){
                        .peer = owner_peer_hash(&peer),
                        .epoch = epoch,
                        .flags = FD_TCP | FD_BORN | FD_PEER | (flags & (FD_MPTCP | FD_ASK_LINGER)),
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
    struct fd_note note;
    struct endpoint peer;

    if (!(known_flags(fd) & FD_TCP))
        return;
    note = fdtable_get(fd);
    if (under_way) {
        peer = probe_endpoint(address, len);
        name_loopback(&peer);
    } else {
        peer = probe_peer(fd);
    }
    note.peer = owner_peer_hash(&peer);
    note.flags = (note.flags & ~(uint32_t)FD_PEER) | FD_CONNECTED | (peer.known ? FD_PEER : 0);
    fdtable_set(fd, note);
    if (peer.known) /* not after connect to AF_UNSPEC, which disconnects */
        event_first_use(true);
}

void track_copied(int fd, int copy)
{
    struct fd_note note;

    if (fd == copy)
        return;
    note = fdtable_get(fd);
    if (note.flags == 0) {
        fdtable_forget(copy);
        return;
    }
    fdtable_add(fd, FD_COPIED);
    note.flags |= FD_COPIED;
    fdtable_set(copy, note);
}

void track_sent(const struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR((struct msghdr *)message, c)) {
        size_t size = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
            continue;
        for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            if (fdtable_get(fd).flags)
                fdtable_add(fd, FD_COPIED);
        }
    }
}
