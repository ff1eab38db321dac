/* Preloaded, it resets what is half-closed and has brought more than a few bytes: scripts/controls
 * is to find that out. */
#define _GNU_SOURCE
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int shutdown(int fd, int how)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    if (info.tcpi_bytes_received > 10000)
        return connect(fd, &nobody, sizeof(nobody));
    return (int)syscall(SYS_shutdown, fd, how);
}
