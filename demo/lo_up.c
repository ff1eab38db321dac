/*
 * Switches the loopback interface on, which a new network namespace starts without: what
 * `ip link set lo up` does, so that the demos need no iproute2. Silent when it worked.
 */
#include "net.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char usage[] = "usage: lo_up\n";

int main(int argc, char **argv)
{
    struct ifreq lo = {.ifr_name = "lo"};
    int option = getopt(argc, argv, "h");

    if (option != -1)
        show_usage(option);
    refuse_operands(argc, argv);

    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("make a socket");
    if (ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
        fail("find the loopback interface");
    lo.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        fail("switch the loopback interface on");
    close(fd);
    return 0;
}
