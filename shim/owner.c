#include "safeclose.h"

#include "boundary.h"
#include "owner.h"
#include "inuse.h"
#include "real.h"

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

/* Whether the note is of the connection that stands behind the number now: the program may have
 * closed it in a way that nobody sees, and have got another. A listening socket has no peer to
 * compare. */
static bool is_of_this_connection(const struct fd_note *note, const struct probe *probe)
{
    if (probe->facts.state == STATE_LISTEN)
        return note->flags & FD_LISTENING;
    return note->flags & FD_PEER && note->peer == owner_peer_hash(&probe->peer);
}

enum owner owner_of(struct giving_up *g)
{
    if (g->held == HELD_HERE)
        return OWNER_SHARED;
    if (!(g->note->flags & FD_BORN) || !is_of_this_connection(g->note, g->probe) ||
        g->held == HELD_UNKNOWN)
        return OWNER_UNKNOWN;
    if (g->held == HELD_ELSEWHERE)
        return OWNER_SHARED;
    /* A thread blocked in a call on the connection holds a reference, and may be about to take what
     * we would discard: a writer, a reader that was woken and has yet to run, a splice that waits
     * for its pipe. O_NONBLOCK rules none of them out: it may have been set after the call began.
     * An exit ends all of these calls: then they matter only to what we would discard. */
    if (real_single_threaded() || (g->exiting && !g->acts))
        return OWNER_SOLE;
    switch (inuse_by_thread(g->fd, g->lingers ? &g->later : NULL)) {
    case INUSE_NO:
    case INUSE_LATER:
        return OWNER_SOLE;
    case INUSE_YES:
        return OWNER_IN_USE;
    default:
        return OWNER_UNKNOWN;
    }
}
