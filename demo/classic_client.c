/*
 * The classic, client side: write 1024 bytes, then read.
 *
 * Expect one of two lines, and which one is decided by how the server closed:
 *     read error: Connection reset by peer    it had not read the 1024 bytes
 *     Read 0 Bytes                            it had, or libsafeclose.so drained them for it
 */
#include "net.h"

#include <stdio.h>
#include <unistd.h>

const char usage[] = "usage: classic_client [-p PORT]\n"
                     "  -p PORT  connect to 127.0.0.1:PORT (9001)\n";

int main(int argc, char **argv)
{
    char bytes[1024] = {0};
    int port = 9001, option;

    while ((option = getopt(argc, argv, "p:h")) != -1) {
        if (option == 'p')
            port = parse_number("port", optarg, 1, 65535);
        else
            show_usage(option);
    }
    refuse_operands(argc, argv);

    int fd = connect_to(port, 0);
    send_all(fd, bytes, sizeof(bytes));
    print_read(read(fd, bytes, sizeof(bytes)));
    close(fd);
    return 0;
}
