#include "safeclose.h"

#include "doors/track.h"
#include "ground/boundary.h"
#include "ground/proc.h"
#include "ground/sys.h"
#include "holders/holders.h"
#include "holders/owner.h"
#include "settings/config.h"
#include "tcp/first_use.h"
#include "tcp/probe.h"

#define NUMBERS                                                                                    \
    64 /* looked at where /proc is not there: those that inetd and socket activation give */

/* If the table has an older entry for this number, that connection was closed unseen. Relatives are not told that this
 * process has given it up, because it may only have been moved to another number. */
void track_new(int fd, struct fd_info info)
{
    fdtable_take(fd);
    if (info.flags)
        fdtable_set(fd, info);
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

/* Of a socket that was there before the library saw it. */
static void note(int fd, uint32_t flags)
{
    struct fd_info info = {.flags = flags | ask_flags(fd)};
    struct endpoint peer;

    if (info.flags & FD_TCP && !(info.flags & FD_LISTENING)) {
        peer = probe_peer(fd);
        info.peer = owner_peer_hash(&peer);
        info.flags |= peer.known ? FD_PEER : 0;
    }
    track_new(fd, info);
}

void track_arrived(int fd)
{
    note(fd, 0);
}

/* Notes it, unless that was done. Returns its flags. */
static uint32_t note_new(int fd)
{
    if (!(fdtable_get(fd).flags & (FD_TCP | FD_OTHER)))
        note(fd, fdtable_get(fd).flags);
    return fdtable_get(fd).flags;
}

static bool visit(int dir, const char *name, int number, void *context)
{
    (void)name;
    (void)context;
    if (number != dir)
        note_new(number);
    return true;
}

static void note_all(void)
{
    long dir = proc_open("/proc/self/fd");

    if (dir >= 0) {
        proc_walk((int)dir, visit, NULL);
        sys1(SYS_close, dir);
        return;
    }
    for (int fd = 0; fd < NUMBERS; fd++)
        note_new(fd);
}

/* What another thread does to a number meanwhile may be noted as inherited, which is left alone. */
void track_inherited(void)
{
    static atomic_bool begun;

    if (!atomic_load_explicit(&begun, memory_order_relaxed) && !atomic_exchange(&begun, true))
        note_all();
}

uint32_t track_flags(int fd)
{
    uint32_t before = fdtable_get(fd).flags, flags = note_new(fd);

    if (flags & FD_TCP && !(before & FD_TCP))
        track_inherited();
    return flags;
}

void track_use(void)
{
    track_inherited();
    first_use_opening();
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

/* To look at all numbers takes as long as the rest of the start: a program that is no service, and never uses TCP,
 * does without. */
void track_start(void)
{
    bool service = config.sole;

    for (int fd = 0; fd < NUMBERS && (fd <= 2 || fd - 3 < config.handed); fd++)
        service |= note_new(fd) & FD_TCP;
    if (service)
        track_inherited();
    for (int fd = -1; config.sole && (fd = fdtable_next(fd, FD_INHERITED)) >= 0;)
        take_as_accepted(fd);
}
