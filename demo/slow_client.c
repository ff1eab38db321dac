/*
 * A client that takes its time: it sends a request, and reads the response only when told to.
 *
 * Start response_server, then this. When the server says "closed", press Enter here (or end the
 * input, as demo/run does): the response is now in the kernel's hands alone.
 *
 * Expect "Read 0 Bytes" and every byte delivered, unless the server's kernel sent a reset:
 *   -e 5  the request has 5 bytes too many, which the server leaves unread
 *   -l 4  4 more bytes are sent after the server has closed
 */
#include "net.h"

#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char usage[] = "usage: slow_client [-p PORT] [-e BYTES] [-l BYTES]\n"
                     "  -p PORT   connect to 127.0.0.1:PORT (9001)\n"
                     "  -e BYTES  sent along with the request, more than it needs, 0 to 1000 (0)\n"
                     "  -l BYTES  sent late, after the server's close, 0 to 1000 (0)\n";

#define MOST_EXTRA 1000

/* Small, so that most of the response must wait in the server's kernel. */
#define RECEIVE_BUFFER 65536

static void wait_for_go(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
        ;
}

/*
 * Returns once the server's kernel has acknowledged what we sent, or has refused it with a reset:
 * only then does the outcome not depend on which of the two sides is faster.
 */
static void wait_until_answered(int fd)
{
    struct pollfd reset = {.fd = fd}; /* no events asked for: POLLERR comes by itself */
    int unacked;

    while (poll(&reset, 1, 1) == 0 && ioctl(fd, SIOCOUTQ, &unacked) == 0 && unacked > 0)
        ;
}

static void read_response(int fd)
{
    char bytes[16384];
    long delivered = 0;
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        delivered += got;
    print_read(got);
    printf("delivered %ld bytes\n", delivered);
}

int main(int argc, char **argv)
{
    char bytes[REQUEST_SIZE + MOST_EXTRA] = REQUEST;
    int port = 9001, extra = 0, late = 0, option;

    while ((option = getopt(argc, argv, "p:e:l:h")) != -1) {
        if (option == 'p')
            port = parse_number("port", optarg, 1, 65535);
        else if (option == 'e')
            extra = parse_number("number of extra bytes", optarg, 0, MOST_EXTRA);
        else if (option == 'l')
            late = parse_number("number of late bytes", optarg, 0, MOST_EXTRA);
        else
            show_usage(option);
    }
    refuse_operands(argc, argv);

    int fd = connect_to(port, RECEIVE_BUFFER);
    send_all(fd, bytes, REQUEST_SIZE + (size_t)extra);
    wait_for_go();
    if (late > 0) {
        send_all(fd, bytes, (size_t)late);
        wait_until_answered(fd);
    }
    read_response(fd);
    close(fd);
    return 0;
}
