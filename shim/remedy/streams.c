#include "safeclose.h"

#include "ground/fdtable.h"
#include "remedy/streams.h"
#include "settings/config.h"
#include "settings/control.h"

/* Those that fdopen made on a connection. A program seldom has many; what finds no room keeps
 * FD_STREAM. Set by fdopen, cleared by whoever closes the stream. */
#define STREAMS 64
static _Atomic(FILE *) streams[STREAMS];
static _Atomic bool hidden;

void streams_hide(void)
{
    atomic_store(&hidden, true);
}

bool streams_hidden(void)
{
    return atomic_load(&hidden);
}

static bool is_connection(int fd)
{
    return fd >= 0 && fdtable_get(fd).flags & FD_TCP;
}

void streams_opened(FILE *stream, int fd)
{
    if (!mode_may_linger() || !is_connection(fd))
        return;
    fdtable_add(fd, FD_STREAM);
    for (int i = 0; i < STREAMS; i++) {
        FILE *none = NULL;
        if (atomic_compare_exchange_strong(&streams[i], &none, stream))
            return;
    }
}

static void forget(FILE *stream)
{
    for (int i = 0; i < STREAMS; i++) {
        FILE *it = stream;
        if (atomic_compare_exchange_strong(&streams[i], &it, NULL))
            return;
    }
}

int streams_closing(FILE *stream, int fd, enum mode mode)
{
    int saved_errno = errno;
    int failed = 0;

    if (!mode_may_linger())
        return 0;
    forget(stream);
    if (mode == MODE_LINGER && is_connection(fd) && fflush(stream) != 0)
        failed = errno;
    errno = saved_errno;
    return failed;
}

/* The thread that holds the lock may be waiting for the peer, and exit would wait with it. */
static void flush_unless_locked(FILE *stream)
{
    int fd;

    if (ftrylockfile(stream) != 0)
        return;
    fd = fileno(stream);
    if (is_connection(fd)) {
        fflush(stream);
        fdtable_drop(fd, FD_STREAM);
    }
    funlockfile(stream);
}

static bool all_is_flushed(void)
{
    return !streams_hidden() && fdtable_next(-1, FD_STREAM) < 0;
}

bool streams_flush(enum mode mode)
{
    FILE *const standard[] = {stdin, stdout, stderr};
    int saved_errno = errno;

    if (mode != MODE_LINGER) /* nor would a relative in another mode half-close it */
        return !mode_may_linger() && all_is_flushed();
    for (int fd = 0; fd < 3; fd++) {
        if (is_connection(fd)) {
            fdtable_add(fd, FD_STREAM);
            flush_unless_locked(standard[fd]);
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        FILE *stream = atomic_load(&streams[i]);
        if (stream)
            flush_unless_locked(stream);
    }
    errno = saved_errno;
    return all_is_flushed();
}
