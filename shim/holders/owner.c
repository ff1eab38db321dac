#include "safeclose.h"

#include "holders/owner.h"

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

bool owner_is_of_this_connection(const struct fd_info *info, const struct probe *probe)
{
    if (probe->facts.state == STATE_LISTEN)
        return info->flags & FD_LISTENING;
    return info->flags & FD_PEER && info->peer == owner_peer_hash(&probe->peer);
}

enum owner owner_of(struct close *c)
{
    if (c->held == HELD_HERE)
        return OWNER_SHARED;
    if (!(c->info->flags & FD_CREATED) || !owner_is_of_this_connection(c->info, c->probe) ||
        c->held == HELD_UNKNOWN)
        return OWNER_UNKNOWN;
    return c->held == HELD_ELSEWHERE ? OWNER_SHARED : OWNER_SOLE;
}
