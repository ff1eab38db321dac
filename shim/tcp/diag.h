/*
 * What became of a connection: the kernel is asked by its addresses, when the program's number for it is gone
 * (NETLINK_SOCK_DIAG, sock_diag(7)). Asked before the close as well, the same question tells whether it can
 * be asked at all: not from another network namespace, nor where netlink is refused.
 *
 * One socket serves all threads of a process, without a lock. A question is answered before its sendto
 * returns, but another thread may take the answer: who finds one that is not its own puts it down for its
 * owner, and who finds none asks again.
 *
 * The socket is opened where the program gets a socket of its own anyway. A fork child's first is its own:
 * what it has inherited leads to its parent's queue.
 */
#ifndef SAFECLOSE_DIAG_H
#define SAFECLOSE_DIAG_H

#include "tcp/probe.h"

#include <stdbool.h>
#include <stdint.h>

/* The connection that is asked about. */
struct diag_key {
    struct endpoint local;
    struct endpoint peer; /* unknown: a listening socket */
    uint64_t cookie;
    uint32_t device; /* index of the interface that it is bound to, or 0 */
};

enum diag {
    DIAG_UNASKED, /* the kernel was not asked, or did not answer */
    DIAG_GONE,
    DIAG_HELD,   /* somebody has it still */
    DIAG_ORPHAN, /* nobody has, and the kernel brings it to its end */
};

struct diag_answer {
    enum diag what;
    uint8_t state; /* enum tcp_state; 0 where it is gone */
};

/* Opens the socket that is kept, unless it is there, or was refused once. Where other threads may be opening
 * files only for a call that gives the program a number itself. */
void diag_prepare(void);

/* Whether this process has one, or can't. No call. */
bool diag_is_settled(void);

/* It leads elsewhere, or must not outlive the rights of now: it is closed, and opened anew when next prepared. */
void diag_lose(void);

/* Whether it is this number. */
bool diag_owns(int fd);

/* A socket for this question alone, in the calling thread's own table; -errno. */
long diag_open(void);

/* Asks. socket: one of diag_open, or DIAG_KEPT. A call or two to be sure of the number, and two. */
#define DIAG_KEPT (-1)
struct diag_answer diag_ask(int socket, const struct diag_key *key);

/* Asks of an open number for the first time, and finds out what it is bound to. */
struct diag_answer diag_ask_open(int socket, int fd, struct diag_key *key);

#endif
