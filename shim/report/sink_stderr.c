#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/file.h"
#include "ground/nowait.h"
#include "ground/sys.h"
#include "report/sink_stderr.h"

#include <sys/prctl.h>

static struct identity original; /* constructor */
static _Atomic bool torn;

void sink_stderr_start(void)
{
    long domain = sys_getsockopt_int(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN);

    /* The stderr of an inetd service is its connection: the client would read what we write. If the kernel doesn't
     * answer, stderr may be a connection. */
    if (domain == -ENOTSOCK || (domain >= 0 && domain != AF_INET && domain != AF_INET6))
        original = file_identity(STDERR_FILENO);
}

/* A daemon closes 0 to 2 and may get a connection as number 2: a line there would go to its client.
 */
static bool write_to(int number, const char *bytes, size_t len)
{
    struct identity now = file_identity(number);

    return file_same(&original, &now) && nowait_write(number, &now, bytes, len, &torn);
}

/* Whether somebody (systemd, a container's runtime) put a seccomp filter around the program: it may
 * kill for a call that few programs make. This one no filter forbids that systemd or Docker write.
 */
static bool is_filtered(void)
{
    return sys6(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) != 0;
}

static long copy_stderr(void)
{
    long process_fd = sys2(SYS_pidfd_open, sys_getpid(), 0);
    long number;

    if (process_fd < 0)
        return process_fd;
    number = sys3(SYS_pidfd_getfd, process_fd, STDERR_FILENO, 0);
    sys1(SYS_close, process_fd);
    return number;
}

/* Not a file: the program's next line would overwrite ours, as its offset is another. A socket can't be opened. */
static long open_stderr(void)
{
    mode_t type = original.mode & S_IFMT;

    if (type != S_IFIFO && type != S_IFCHR)
        return -EBADF;
    return sys4(SYS_openat, AT_FDCWD, SYS_ARG("/proc/self/fd/2"),
                O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
}

/* The lot holds no copy of the program's stderr: a pipe would not end for whoever reads it when the
 * program closes it. So for each line it takes one. */
static long borrow_stderr(void)
{
    long number = is_filtered() ? -EPERM : copy_stderr();

    return number < 0 ? open_stderr() : number;
}

bool sink_stderr_write(const char *bytes, size_t len)
{
    long number;
    bool written;

    if (!boundary_lot())
        return write_to(STDERR_FILENO, bytes, len);
    number = borrow_stderr();
    if (number < 0)
        return false;
    written = write_to((int)number, bytes, len);
    sys1(SYS_close, number);
    return written;
}
