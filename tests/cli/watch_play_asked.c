/* Late data that comes when the close has been seen, so that the kernel could be asked how much output was under way. */
#include "watch_play.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A reset, by which whoever watches shows that it has seen all closes before. */
static void reset_another(void)
{
    int peer = must(net_socket(&options), "make a socket"), ours;

    must(net_connect(peer, pair.listener, &options), "connect");
    ours = must(net_accept(pair.listener), "accept");
    must(net_zero_linger(ours), "set SO_LINGER");
    close(ours);
    close(peer);
}

/* The network loses the first byte again and again, so what was sent stays unacknowledged; the rest finds no window. */
static void write_output(void)
{
    static const char block[4096] = {NET_MARK};

    must(send(pair.ours, block, 1, MSG_NOSIGNAL), "send");
    while (send(pair.ours, block + 1, sizeof block - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
    must(net_wait_at_least(net_unsent, pair.ours, 1) ? 0 : -1, "have unsent output");
}

void play_late_asked(void)
{
    char line[16];

    options.our_send_buffer = 8192;
    options.peer_receive_buffer = 4096;
    connect_pair();
    must(net_drop(pair.peer, NET_LOSE_MARKED), "lose the first byte");
    begin_peer();
    write_output();
    printf("unacked %d\nunsent %d\n", net_unacked(pair.ours), net_unsent(pair.ours));
    close(pair.ours);
    reset_another();
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return;
    peer_does('s');
    peer_does('r');
}
