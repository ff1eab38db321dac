#include "safeclose.h"

#include "ground/file.h"
#include "ground/nowait.h"
#include "ground/sys.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

/* Not /proc/self, which is the first thread: the lot's numbers are its own. */
#define PROC_FD "/proc/thread-self/fd/"

/*
 * The same file by a description of our own, so that O_NONBLOCK is ours alone: set on the program's
 * it would change the program. For terminals, which know no non-blocking call, and pipes of old
 * kernels.
 */
static long write_by_own_description(int fd, const struct identity *file, const char *bytes,
                                     size_t len)
{
    char path[sizeof(PROC_FD) + 11] = PROC_FD;
    char *end = path + sizeof(path) - 1;
    char *p = end;
    unsigned n = (unsigned)fd;
    struct identity opened;
    long own;
    long written;

    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    memmove(path + sizeof(PROC_FD) - 1, p, (size_t)(end - p) + 1);
    own = sys4(SYS_openat, AT_FDCWD, SYS_ARG(path),
               O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (own < 0)
        return own;
    opened = file_identity((int)own);
    written = file_same(file, &opened) ? sys3(SYS_write, own, SYS_ARG(bytes), (long)len) : -EBADF;
    sys1(SYS_close, own);
    return written;
}

static long write_to_pipe(int fd, const struct identity *file, const char *bytes, size_t len)
{
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
    long n = sys6(SYS_pwritev2, fd, SYS_ARG(&iov), 1, -1, -1, RWF_NOWAIT);

    if (n == -EOPNOTSUPP || n == -ENOSYS || n == -EPERM)
        return write_by_own_description(fd, file, bytes, len);
    return n;
}

static long write_once(int fd, const struct identity *file, const char *bytes, size_t len)
{
    char termios[256]; /* struct termios of the kernel, which asm/termbits.h and termios.h fight
                          over */

    switch (file->mode & S_IFMT) {
    case S_IFIFO:
        return write_to_pipe(fd, file, bytes, len);
    case S_IFSOCK:
        return sys6(SYS_sendto, fd, SYS_ARG(bytes), (long)len, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
    case S_IFCHR:
        if (sys3(SYS_ioctl, fd, TCGETS, SYS_ARG(termios)) == 0)
            return write_by_own_description(fd, file, bytes, len);
        break;
    }
    return sys3(SYS_write, fd, SYS_ARG(bytes), (long)len);
}

bool nowait_write(int fd, const struct identity *file, const char *bytes, size_t len,
                  _Atomic bool *torn)
{
    long n;

    if (atomic_load(torn)) {
        if (write_once(fd, file, "\n", 1) != 1)
            return false;
        atomic_store(torn, false);
    }
    n = write_once(fd, file, bytes, len);
    if (n > 0 && (size_t)n < len)
        atomic_store(torn, true);
    return n == (long)len;
}
