/*
 * Asks the kernel about a socket. Read-only questions, none of which changes anything on the wire,
 * in the program or in errno (FIONREAD, getsockopt, getpeername; but see probe_peek). Callable from
 * anywhere.
 */
#ifndef SAFECLOSE_PROBE_H
#define SAFECLOSE_PROBE_H

#include "tcp/verdict.h"

#include <stdbool.h>
#include <stdint.h>

enum probe_kind {
    PROBE_NOT_SOCKET, /* or not open */
    PROBE_OTHER,      /* a socket, not TCP */
    PROBE_TCP,
    PROBE_MPTCP, /* also after its fallback to TCP */
};

struct endpoint {
    uint8_t addr[16]; /* network order; 4 bytes where v4 */
    uint16_t port;    /* host order */
    bool v4;
    bool known;
};

/* What SO_MEMINFO says in one call. */
struct probe_memory {
    uint32_t received; /* memory of the receive queue: 0 means surely nothing unread */
    uint32_t queued;   /* memory of the send queue: 0 means all output is acknowledged */
};

struct probe {
    struct facts facts;
    bool half_closed; /* filled in by who asks: the program was seen to shut it down for writing */
    uint32_t unread;  /* bytes, up to the urgent mark where there is one */
    uint32_t unacked; /* bytes written and not acknowledged, without our FIN */
    uint32_t unsent;  /* the part of them that never left, without our FIN */
    bool urgent;      /* urgent data is unread, or was read out of line and is still queued */
    struct endpoint local;
    struct endpoint peer;
    uint64_t cookie; /* SO_COOKIE, the kernel's own name for the socket; 0 if it has none */
};

/* One call: what fd is (SO_PROTOCOL). A raw or netlink socket can pass for TCP until probe_facts.
 */
enum probe_kind probe_kind(int fd);

/* One call (SO_MEMINFO, since Linux 4.12). False if the kernel does not answer. */
bool probe_memory(int fd, struct probe_memory *memory);

/* The TCP state (enum tcp_state), 0 where fd is no TCP socket. One call (TCP_INFO). */
uint8_t probe_state(int fd);

/* Bytes written and not acknowledged, without our FIN, of a socket in this state, which is not
 * CLOSE. One call (SIOCOUTQ). */
uint32_t probe_unacked(int fd, uint8_t state);

/* *zero: the program asked for a reset, by SO_LINGER {1,0} or a negative TCP_LINGER2 (tcp(7)), which
 * counts in FIN_WAIT2 alone; state 0: whichever it will be. False if the kernel does not answer: then
 * it may have asked. One call, or two. */
bool probe_zero_linger(int fd, uint8_t state, bool *zero);

/* How far the connection has been read and written, whatever the peer does meanwhile; with urgent
 * data queued, how far it is to that. For comparison alone. Six calls; some more while the peer
 * sends or acknowledges between them, and false where that does not end. With urgent data that was
 * read out of line while something before it was not, it moves with what arrives behind (FIONREAD
 * stops there). */
struct probe_position {
    uint64_t read;
    uint64_t written;
    uint64_t heard; /* changes with every byte that arrives, or is acknowledged */
    uint8_t state;  /* in CLOSE a FIN that came before may count as a byte that was read */
};

bool probe_position(int fd, struct probe_position *position);

/* Fills facts and unread of a socket of this kind, for a verdict; ask_linger: SO_LINGER may have
 * been set. False if fd is no TCP socket after all, or the kernel does not answer: then nothing
 * is known, and nothing may be done. One to seven calls. */
bool probe_facts(int fd, enum probe_kind kind, bool ask_linger, struct probe *p);

/* Fills facts.unread, unread, and urgent where urgent data comes first, of a socket in facts.state.
 * known: what probe_memory said, or NULL, which is a call more. One call where the queue takes
 * memory, and one more where nothing can be counted in it. */
void probe_unread(int fd, const struct probe_memory *known, struct probe *p);

/* Fills in what only a reader of the event needs, but for the addresses. Three or four calls. */
void probe_details(int fd, struct probe *p);

/* Copies up to size bytes of what is unread, which stays so; returns how many. For the sole owner
 * alone: a peek takes a pending error, which another reader would miss, and moves SO_PEEK_OFF,
 * where that is set: then it does nothing. state: as probe_state says. Two calls. */
unsigned probe_peek(int fd, uint8_t state, void *bytes, unsigned size);

/* Each an address alone, known false where there is none. One call. */
struct endpoint probe_local(int fd);
struct endpoint probe_peer(int fd);

/* An endpoint from a socket address as the kernel fills it in; known false where it is no IP
 * address. */
struct endpoint probe_endpoint(const void *sockaddr, unsigned len);

#endif
