/*
 * Many resets: watch_many COUNT [PER_SECOND]
 *
 * Prints its port and waits for a line on standard input. Then it accepts COUNT connections of its own, closes each with a
 * zero linger, and prints "sent", and how many resets the kernel counted. As fast as it can, or so many a second.
 */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void reset_one(int listener, const struct net_options *options)
{
    int peer = must(net_socket(options), "make a socket"), ours;

    must(net_connect(peer, listener, options), "connect");
    ours = must(net_accept(listener), "accept");
    must(net_zero_linger(ours), "set SO_LINGER");
    close(ours);
    close(peer);
}

int main(int argc, char **argv)
{
    const struct net_options options = {.family = NET_IPV4};
    long count = argc > 1 ? atol(argv[1]) : 0, rate = argc > 2 ? atol(argv[2]) : 0, begin;
    int listener = must(net_listen(&options, 8), "listen");
    struct net_resets before;
    char line[16];

    printf("%d\n", net_port(listener));
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 1;
    before = net_resets_now();
    begin = net_now_ms();
    for (long i = 0; i < count; i++) {
        while (rate && i * 1000 / rate > net_now_ms() - begin)
            net_pass_ms(1);
        reset_one(listener, &options);
    }
    printf("sent %ld\n", net_resets_since(before).sent);
    return 0;
}
