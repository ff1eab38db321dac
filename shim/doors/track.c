#include "safeclose.h"

#include "doors/track.h"
#include "ground/boundary.h"
#include "ground/proc.h"
#include "ground/sys.h"
#include "holders/holders.h"
#include "holders/owner.h"
#include "settings/config.h"
#include "tcp/probe.h"

/* Each program that starts asks about so many, at 0.1 us each. Few programs have a TCP socket then, and hardly any has
 * one above these but none here. */
#define NUMBERS 64

/* If the table has an older entry for this number, that connection was closed unseen. Relatives are not told that this
 * process has given it up, because it may only have been moved to another number. */
bool track_new(int fd, struct fd_info info)
{
    fdtable_take(fd);
    return !info.flags || fdtable_set(fd, info);
}

/* The flags of a socket whose creation was not seen; 0 if fd is no socket. */
static uint32_t ask_flags(int fd)
{
    uint32_t flags = FD_TCP | FD_INHERITED;
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

static struct fd_info ask(int fd, uint32_t flags)
{
    struct fd_info info = {.flags = flags | ask_flags(fd)};
    struct endpoint peer;

    if (info.flags & FD_TCP && !(info.flags & FD_LISTENING)) {
        peer = probe_peer(fd);
        info.peer = owner_peer_hash(&peer);
        info.flags |= peer.known ? FD_PEER : 0;
    }
    return info;
}

void track_arrived(int fd)
{
    track_new(fd, ask(fd, 0));
}

uint32_t track_flags(int fd)
{
    uint32_t flags = fdtable_get(fd).flags;

    if (!(flags & (FD_TCP | FD_OTHER))) {
        flags |= ask_flags(fd);
        fdtable_add(fd, flags);
    }
    return flags;
}

/* SAFECLOSE_INHERITED says that the process which started the program has closed its copies. The program may have
 * several numbers for a connection, as a service of inetd has. */
static void take_as_accepted(int fd)
{
    struct fd_info info = fdtable_get(fd);
    struct fd_info born = holders_new_info();
    int other;

    if (!(info.flags & FD_PEER))
        return;
    info.flags = (info.flags & ~(uint32_t)FD_INHERITED) | FD_CREATED | FD_DUPED;
    if (holders_hold_here(fd, &info, &other) && fdtable_get(other).flags & FD_CREATED)
        born = fdtable_get(other);
    info.serial = born.serial;
    info.origin = born.origin;
    info.rings = born.rings;
    fdtable_set(fd, info);
}

static bool visit(int dir, const char *name, int number, void *context)
{
    (void)name;
    (void)context;
    if (number != dir && number >= NUMBERS)
        track_arrived(number);
    return true;
}

/* By a folder of /proc, which takes the program a fifth of the library's start, and a number. */
static void note_the_rest(void)
{
    long dir = proc_open("/proc/self/fd");

    if (dir < 0)
        return;
    proc_walk((int)dir, visit, NULL);
    sys1(SYS_close, dir);
}

static bool all_noted; /* track_inherited */

/* Later is too late: other threads, and handlers, make of a number what they like while it is asked about. */
void track_inherited(void)
{
    bool all = config.sole || config.handed > NUMBERS - 3;

    for (int fd = 0; fd < NUMBERS; fd++) {
        track_arrived(fd);
        all |= fdtable_get(fd).flags & FD_TCP;
    }
    all_noted = all;
    if (all)
        note_the_rest();
    for (int fd = -1; config.sole && (fd = fdtable_next(fd, FD_INHERITED)) >= 0;)
        take_as_accepted(fd);
}

bool track_late(int fd, struct fd_info *info)
{
    if (info->flags & FD_TCP || all_noted || fd < NUMBERS)
        return false;
    *info = ask(fd, info->flags & ~(uint32_t)FD_OTHER);
    return true;
}
