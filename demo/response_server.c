/*
 * A server that answers early: it reads a request of 4 bytes, writes a response of megabytes in
 * one call, which succeeds, and closes at once. The kernel still has to deliver the response.
 *
 * Expect, with slow_client at the other end:
 *   the lost response   slow_client -e 5: the request comes with 5 bytes that nobody reads. The
 *                       close resets, and most of the response is thrown away.
 *   late data           slow_client -l 4: nothing is unread, the close is clean, and the kernel
 *                       goes on delivering - until 4 more bytes arrive, which no program is left
 *                       to read. They are answered with a reset, and the response is cut as well.
 */
#define _GNU_SOURCE /* SO_SNDBUFFORCE */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char usage[] = "usage: response_server [-p PORT] [-n BYTES]\n"
                     "  -p PORT   listen on 127.0.0.1:PORT, 0 for any free one (9001)\n"
                     "  -n BYTES  size of the response, 1 to 100000000 (3900000)\n";

static void read_request(int fd)
{
    char request[REQUEST_SIZE];

    if (recv(fd, request, sizeof(request), MSG_WAITALL) != (ssize_t)sizeof(request)) {
        fprintf(stderr, "response_server: the client left before its request was complete\n");
        exit(EXIT_FAILURE);
    }
}

/* Returns how much of the response the kernel took: what this program may call written. */
static ssize_t write_response(int fd, int size)
{
    char *response = calloc(1, (size_t)size);

    if (!response)
        fail("allocate the response");
    /*
     * Only root may ask for room beyond wmem_max. Anyone else does best to ask for nothing: a
     * plain SO_SNDBUF would end the kernel's own tuning, which allows megabytes.
     */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));

    /* Not to wait for the client, which reads only once we have closed. */
    ssize_t written = send(fd, response, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0)
        fail("send the response");
    free(response);
    return written;
}

int main(int argc, char **argv)
{
    int port = 9001, size = 3900000, option;

    while ((option = getopt(argc, argv, "p:n:h")) != -1) {
        if (option == 'p')
            port = parse_number("port", optarg, 0, 65535);
        else if (option == 'n')
            size = parse_number("response size", optarg, 1, 100000000);
        else
            show_usage(option);
    }
    refuse_operands(argc, argv);

    int fd = accept_one(listen_on(port));
    read_request(fd);
    printf("wrote %zd bytes\n", write_response(fd, size));
    if (close(fd) < 0)
        fail("close");
    printf("closed\n");
    return 0;
}
