/* Streams. */
#include "safeclose.h"

#include "doors/doors.h"
#include "ground/real.h"

EXPORT FILE *fdopen(int fd, const char *mode)
{
    FILE *stream = real_fdopen(fd, mode);

    stream_opened(stream, fd);
    return stream;
}

EXPORT FILE *fopencookie(void *restrict cookie, const char *restrict mode,
                         cookie_io_functions_t functions)
{
    stream_of_functions();
    return real_fopencookie(cookie, mode, functions);
}

EXPORT int fclose(FILE *stream)
{
    int fd;
    int failed = stream_begin(stream, VIA_FCLOSE, CALLER, &fd);
    int ret = (int)close_end(fd, real_fclose(stream));

    if (failed && ret == 0) {
        errno = failed;
        ret = EOF;
    }
    return ret;
}

EXPORT int pclose(FILE *stream)
{
    int fd;

    stream_begin(stream, VIA_PCLOSE, CALLER, &fd);
    return (int)close_end(fd, real_pclose(stream));
}

EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
    FILE *ret;
    int fd = -1;

    if (!LIBC_REOPEN_KEEPS(path))
        stream_begin(stream, VIA_FREOPEN, CALLER, &fd);
    ret = real_freopen(path, mode, stream);
    close_end(fd, 0);
    return ret;
}

EXPORT FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
    FILE *ret;
    int fd = -1;

    if (!LIBC_REOPEN_KEEPS(path))
        stream_begin(stream, VIA_FREOPEN, CALLER, &fd);
    ret = real_freopen64(path, mode, stream);
    close_end(fd, 0);
    return ret;
}

/* glibc has these names too. */
ALIAS(fdopen) FILE *_IO_fdopen(int fd, const char *mode);
ALIAS(fclose) int _IO_fclose(FILE *stream);
