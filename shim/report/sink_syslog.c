#include "safeclose.h"

#include "ground/boundary.h"
#include "ground/error.h"
#include "ground/own_fd.h"
#include "ground/sys.h"
#include "report/sink_syslog.h"
#include "settings/config.h"

#include <sys/uio.h>

#define PRIORITY "<28>" /* facility daemon, severity warning (RFC 5424) */
#define OWN_PREFIX "safeclose: "

/* In the program's descriptor table, and in those of the lots. */
static struct own_fd owns[1 + BOUNDARY_LOTS] = {[0 ... BOUNDARY_LOTS] = OWN_FD_NONE};
static const struct sockaddr_un syslog_address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};

static struct own_fd *own(void)
{
    return &owns[boundary_lot()];
}

/* 0, or -errno. */
static long connect_syslog(void)
{
    long fd = sys3(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    long err =
        fd < 0 ? fd : sys3(SYS_connect, fd, SYS_ARG(&syslog_address), sizeof(syslog_address));

    if (err == 0)
        own_fd_keep(own(), (int)fd);
    else if (fd >= 0)
        sys1(SYS_close, fd);
    return err;
}

bool sink_syslog_start(void)
{
    long err = connect_syslog();

    if (err < 0)
        text_put(config_problem(), "unable to reach syslog at %s: %s; logging to stderr\n",
                 syslog_address.sun_path, error_text(-err));
    return err == 0;
}

static bool send_line(int fd, const char *line, size_t len)
{
    char head_bytes[32];
    struct text head = text_over(head_bytes, sizeof(head_bytes));
    struct iovec parts[2];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    long n;

    if (len >= sizeof(OWN_PREFIX) - 1 && memcmp(line, OWN_PREFIX, sizeof(OWN_PREFIX) - 1) == 0) {
        line += sizeof(OWN_PREFIX) - 1;
        len -= sizeof(OWN_PREFIX) - 1;
    }
    text_put(&head, PRIORITY "safeclose[%d]: ", atomic_load(&process->pid));
    parts[0] = (struct iovec){head_bytes, head.len};
    parts[1] = (struct iovec){(void *)line, len};
    n = sys3(SYS_sendmsg, fd, SYS_ARG(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n == -ECONNREFUSED ||
        n == -ENOTCONN) { /* syslog was restarted: its socket is another one */
        sys3(SYS_connect, fd, SYS_ARG(&syslog_address), sizeof(syslog_address));
        n = sys3(SYS_sendmsg, fd, SYS_ARG(&message), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return n >= 0;
}

bool sink_syslog_write(const char *bytes, size_t len)
{
    int fd = own_fd_check(own());
    bool all;

    if (fd < 0 && connect_syslog() == 0) /* the program has closed ours */
        fd = own_fd_check(own());
    all = fd >= 0;
    while (all && len) {
        const char *end = memchr(bytes, '\n', len);
        size_t n = end ? (size_t)(end - bytes) : len;

        all = send_line(fd, bytes, n);
        n += end != NULL;
        bytes += n;
        len -= n;
    }
    return all;
}

bool sink_syslog_owns(int fd)
{
    return fd == atomic_load(&owns[0].number) && own_fd_check(&owns[0]) == fd;
}

int sink_syslog_descriptor(void)
{
    return own_fd_check(&owns[0]);
}

void sink_syslog_in_lot(int number)
{
    own_fd_is(own(), number);
}
