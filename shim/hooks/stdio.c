/*
 * Streams. libc closes their descriptors without a call that can be hooked. A stream without a
 * descriptor (open_memstream, fopencookie) is none of ours; the real call decides about everything.
 */
#include "../safeclose.h"

#include "../boundary.h"
#include "../closing.h"
#include "../real.h"
#include "../streams.h"

/* 0, or why what the stream had yet to write is lost. */
static int closing_stream(FILE *stream, enum via via, const void *call_site)
{
    int saved_errno = errno;
    int failed;
    int fd;

    if (!boundary_enter())
        return 0;
    fd = fileno(stream);
    errno = saved_errno;
    if (fd < 0)
        return 0;
    failed = streams_closing(stream, fd);
    closing(fd, via, call_site);
    return failed;
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
    FILE *stream = real_fdopen(fd, mode);

    if (stream && boundary_enter())
        streams_opened(stream, fd);
    return stream;
}

EXPORT int fclose(FILE *stream)
{
    int failed = closing_stream(stream, VIA_FCLOSE, __builtin_return_address(0));
    int ret = real_fclose(stream);

    closing_done();
    if (failed && ret == 0) {
        errno = failed;
        ret = EOF;
    }
    return ret;
}

EXPORT int pclose(FILE *stream)
{
    int ret;

    closing_stream(stream, VIA_PCLOSE, __builtin_return_address(0));
    ret = real_pclose(stream);
    closing_done();
    return ret;
}

EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
    FILE *ret;

    closing_stream(stream, VIA_FREOPEN, __builtin_return_address(0));
    ret = real_freopen(path, mode, stream);
    closing_done();
    return ret;
}

EXPORT FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
    FILE *ret;

    closing_stream(stream, VIA_FREOPEN, __builtin_return_address(0));
    ret = real_freopen64(path, mode, stream);
    closing_done();
    return ret;
}

/* glibc has these names too. */
ALIAS(fdopen) FILE *_IO_fdopen(int fd, const char *mode);
ALIAS(fclose) int _IO_fclose(FILE *stream);
