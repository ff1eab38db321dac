/*
 * Opens and closes COUNT descriptors of a kind, for strace to count the system calls: "file", "pipe",
 * "unix", "udp", or "tcp": a connection to PORT, whose other end must answer and close (bench_server).
 */
#include "bench.h"

#include <fcntl.h>

static const char usage[] = "file|pipe|unix|udp|tcp COUNT [PORT]";

/* Opens one or two descriptors into fds; how many. */
static int open_kind(const char *kind, uint16_t port, int fds[2])
{
    static const char request[BENCH_REQUEST];

    if (!strcmp(kind, "pipe"))
        return pipe(fds) ? -1 : 2;
    if (!strcmp(kind, "unix"))
        return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) ? -1 : 2;
    if (!strcmp(kind, "file"))
        fds[0] = open("/proc/self/exe", O_RDONLY);
    else if (!strcmp(kind, "udp"))
        fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
    else if (!strcmp(kind, "tcp")) {
        fds[0] = bench_connect(port);
        if (write(fds[0], request, sizeof(request)) != sizeof(request))
            bench_fail("write a request");
        bench_read_to_end(fds[0]);
    } else
        bench_usage(usage);
    return fds[0] < 0 ? -1 : 1;
}

int main(int argc, char **argv)
{
    long count;
    uint16_t port = 0;

    if (argc != 3 && argc != 4)
        bench_usage(usage);
    count = bench_number(argv[2]);
    if (argc == 4)
        port = (uint16_t)bench_number(argv[3]);
    for (long closed = 0; closed < count;) {
        int fds[2];
        int opened = open_kind(argv[1], port, fds);

        if (opened < 0)
            bench_fail("open what is to be closed");
        for (int i = 0; i < opened; i++)
            close(fds[i]);
        closed += opened;
    }
    return 0;
}
