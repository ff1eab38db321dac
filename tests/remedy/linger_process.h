/*
 * What the programs of linger_exit.bats, linger_limits.bats and linger_process.bats have in common.
 * Each is started by linger_process_peer, which plays all its peers and has the verdict on each
 * connection: whether every byte that the program wrote arrived, and in no reset's company.
 *
 * The peer obeys over the wire of owner.h. Of its own will it does nothing: it neither reads nor
 * sends before a plan is begun, so what the program writes is still the program's kernel's at the
 * close.
 */
#ifndef SAFECLOSE_TESTS_LINGER_PROCESS_H
#define SAFECLOSE_TESTS_LINGER_PROCESS_H

#include "net.h"
#include "owner.h"

/* What the peer is asked. The number of all but PORT, CONNECT and EXPECT is a connection's, counted
 * from 0, or EVERY for all that have begun no plan yet. */
enum linger_question {
    ASK_PORT = 'P',    /* where to connect */
    ASK_CONNECT = 'C', /* one more connection, on which OWNER_BYTES are sent at once */
    ASK_EXPECT = 'E',  /* so many bytes are to come on the last connection */
    ASK_LATE = 'L',    /* read to the end, send late data half-way and behind the end */
    ASK_READ = 'R',    /* read to the end, then close */
    ASK_HOLD = 'H',    /* likewise, when the program has ended */
    ASK_WAIT = 'W',    /* until all that was begun is done */
};

enum {
    EVERY = -1,
    MUCH = 1024 * 1024, /* more than the peer's side takes before it reads */
    FEW = 1000,
};

/* What a program wrote can't be lost sight of by a process that ends. */
static inline void linger_asks(enum linger_question what, long number)
{
    owner_ask((char)what, number);
}

/* The next connection, with OWNER_BYTES unread. */
static inline int linger_takes(int listener)
{
    int fd;

    linger_asks(ASK_CONNECT, 0);
    fd = must(accept(listener, NULL, NULL), "accept");
    if (!net_wait_for(net_unread, fd, OWNER_BYTES))
        unable("see what the peer sent");
    return fd;
}

/* Writes as much of so many bytes as the kernel takes without waiting. */
static inline void linger_writes(int fd, long most)
{
    unsigned char *bytes = malloc((size_t)most);
    long sent = 0;
    ssize_t n = 0;

    for (long i = 0; i < most; i++)
        bytes[i] = owner_byte(i);
    while (sent < most &&
           (n = send(fd, bytes + sent, (size_t)(most - sent), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        sent += n;
    if (n < 0 && errno != EAGAIN)
        unable("write");
    free(bytes);
    linger_asks(ASK_EXPECT, sent);
}

/* A connection with unread bytes and unsent output: the close of it loses that output. */
static inline int linger_at_risk(int listener, long bytes)
{
    int fd = linger_takes(listener);

    linger_writes(fd, bytes);
    return fd;
}

#endif
