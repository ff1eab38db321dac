/*
 * Streams. libc closes their descriptors without a call that can be hooked. A stream without a
 * descriptor (open_memstream, fopencookie) is none of ours; the real call decides about everything.
 */
#include "safeclose.h"

#include "doors/closing.h"
#include "doors/doors.h"
#include "ground/boundary.h"
#include "remedy/streams.h"

int stream_begin(FILE *stream, enum via via, const void *call_site, int *fd)
{
    int saved_errno = errno;
    enum mode mode;
    int failed;

    *fd = -1;
    if (!boundary_enter())
        return 0;
    *fd = fileno(stream);
    errno = saved_errno;
    if (*fd < 0)
        return 0;
    mode = closing_mode();
    failed = streams_closing(stream, *fd, mode);
    closing_in(*fd, via, call_site, mode);
    return failed;
}

void stream_of_functions(void)
{
    if (boundary_enter())
        streams_hide();
}

void stream_opened(FILE *stream, int fd)
{
    if (stream && boundary_enter())
        streams_opened(stream, fd);
}
