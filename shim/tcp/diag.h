/*
 * What became of a connection whose number is gone: the kernel is asked for it by its addresses (NETLINK_SOCK_DIAG,
 * sock_diag(7)). The same question before the close shows whether it can be asked at all: not from another network
 * namespace, and not if netlink is refused.
 *
 * One socket serves all threads of a process, without a lock. The answer is there when sendto returns, but another
 * thread may receive it. A thread that receives another one's answer puts it down for that thread, and a thread that
 * finds none asks again.
 *
 * The socket is opened in calls that give the program a number anyway. A fork child opens its own, because the one that
 * it inherited leads to its parent's queue.
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
    uint8_t state; /* enum tcp_state; 0 if it is gone */
};

/* Opens the socket that is kept, unless it is open, or was refused once. In a program with threads: only in a call that
 * gives the program a number, too. */
void diag_prepare(void);

/* Whether this process has the socket, or can't have it. No call. */
bool diag_is_settled(void);

/* Closes the socket, because it asks in the wrong place, or must not outlive a change of rights. diag_prepare opens it
 * anew. */
void diag_lose(void);

/* Whether fd is that socket. */
bool diag_owns(int fd);

/* A socket for this question alone, in the calling thread's own table; -errno. */
long diag_open(void);

/* Asks. socket: from diag_open, or DIAG_KEPT, whose number is checked first (a call or two). Then two calls. */
#define DIAG_KEPT (-1)
struct diag_answer diag_ask(int socket, const struct diag_key *key);

/* Asks about fd before its close. If it is not found, asks again with the interface that it is bound to (device). */
struct diag_answer diag_ask_open(int socket, int fd, struct diag_key *key);

#endif
