#include "safeclose.h"

#include "boundary.h"
#include "owner.h"
#include "real.h"
#include "sys.h"

/* FNV-1a. */
uint64_t owner_peer_hash(const struct endpoint *peer)
{
    uint64_t hash = 0xcbf29ce484222325;
    uint8_t port[2] = {(uint8_t)(peer->port >> 8), (uint8_t)peer->port};

    if (!peer->known)
        return 0;
    for (int i = 0; i < (peer->v4 ? 4 : 16); i++)
        hash = (hash ^ peer->addr[i]) * 0x100000001b3;
    for (int i = 0; i < 2; i++)
        hash = (hash ^ port[i]) * 0x100000001b3;
    return hash ? hash : 1;
}

/*
 * A thread blocked in a call holds a reference. A reader can't be blocked while something is
 * unread; a writer can, on a blocking descriptor that is not writable.
 */
static bool may_be_in_use(int fd)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    struct timespec now = {0, 0};
    long flags;

    if (real_single_threaded())
        return false;
    flags = sys2(SYS_fcntl, fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK))
        return false;
    return sys6(SYS_ppoll, SYS_ARG(&writable), 1, SYS_ARG(&now), 0, 0, 0) != 1;
}

enum owner owner_of(int fd, const struct fd_note *note, const struct probe *probe)
{
    bool listening = probe->facts.state == STATE_LISTEN;
    uint32_t needed = FD_BORN | (listening ? FD_LISTENING : FD_PEER);

    if ((note->flags & needed) != needed || (note->flags & FD_COPIED))
        return OWNER_UNKNOWN;
    if (note->epoch != boundary_epoch() || boundary_forking())
        return OWNER_UNKNOWN;
    /* The number may have been closed unseen and have come back as something else. */
    if (!listening && note->peer != owner_peer_hash(&probe->peer))
        return OWNER_UNKNOWN;
    return may_be_in_use(fd) ? OWNER_IN_USE : OWNER_SOLE;
}
