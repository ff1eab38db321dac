/*
 * The classic, server side: accept, wait, close - without reading what the client sent.
 *
 * Expect: the client wrote 1024 bytes and did nothing wrong, yet its read fails with "Connection
 * reset by peer", because Linux answers close() with RST instead of FIN while bytes are unread.
 * With -r the server reads them first, closes the same way, and the client sees a normal end.
 *
 * In one terminal, and build/demo/classic_client in another:
 *     build/demo/classic_server -w 5s
 *     LD_PRELOAD=./libsafeclose.so SAFECLOSE_MODE=drain build/demo/classic_server -w 5s
 */
#include "net.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

const char usage[] = "usage: classic_server [-p PORT] [-w WAIT] [-r]\n"
                     "  -p PORT  listen on 127.0.0.1:PORT, 0 for any free one (9001)\n"
                     "  -w WAIT  time between accept and close, 300ms or 5s (300ms)\n"
                     "  -r       read what the client sent before closing\n";

/* How long a client that sends nothing at all can hold the server. */
#define PATIENCE_MS 10000

static void wait_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

int main(int argc, char **argv)
{
    int port = 9001, wait = 300, option;
    bool read_first = false;

    while ((option = getopt(argc, argv, "p:w:rh")) != -1) {
        if (option == 'p')
            port = parse_number("port", optarg, 0, 65535);
        else if (option == 'w')
            wait = parse_duration_ms("wait", optarg);
        else if (option == 'r')
            read_first = true;
        else
            show_usage(option);
    }
    refuse_operands(argc, argv);

    int fd = accept_one(listen_on(port));
    wait_ms(wait);

    /*
     * On a busy machine the client may need longer than that, and a close before its bytes arrive
     * is another experiment. poll() only looks: nothing leaves the receive queue.
     */
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS);

    if (read_first) {
        char bytes[4096];
        ssize_t got = read(fd, bytes, sizeof(bytes));
        if (got < 0)
            fail("read");
        printf("read %zd bytes\n", got);
    }
    if (close(fd) < 0)
        fail("close");
    printf("closed\n");
    return 0;
}
