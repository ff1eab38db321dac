/*
 * Predicts what the last close of a socket will send (FIN, RST or nothing), from the kernel's answers. Pure: it asks
 * nothing, so it can be tested as a table (tests/unit/unit_verdict.c).
 */
#ifndef SAFECLOSE_VERDICT_H
#define SAFECLOSE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum cause {
#define CAUSE(id, name, why, peer, fix, without) CAUSE_##id,
#include "tcp/causes.def"
#undef CAUSE
    CAUSE_COUNT
};

enum outcome {
    OUTCOME_NONE, /* nothing is sent: not the last reference, or not in this state */
    OUTCOME_FIN,  /* an orderly end */
    OUTCOME_RST,  /* a reset */
    OUTCOME_UNKNOWN,
    OUTCOME_COUNT
};

/* Kernel states, numbered as in TCP_INFO (include/net/tcp_states.h). */
enum tcp_state {
    STATE_ESTABLISHED = 1,
    STATE_SYN_SENT,
    STATE_SYN_RECV,
    STATE_FIN_WAIT1,
    STATE_FIN_WAIT2,
    STATE_TIME_WAIT,
    STATE_CLOSE,
    STATE_CLOSE_WAIT,
    STATE_LAST_ACK,
    STATE_LISTEN,
    STATE_CLOSING,
};

/* The kernel's answers that a verdict rests on. */
struct facts {
    uint8_t state;    /* enum tcp_state */
    bool mptcp;       /* the answers mislead */
    bool unread;      /* something is unread, counted or not */
    bool zero_linger; /* SO_LINGER {1,0}, or a negative TCP_LINGER2 in FIN_WAIT2 */
    uint32_t unsent;  /* bytes never sent, our own FIN counted as one more (SIOCOUTQNSD) */
    uint32_t pending; /* a listening socket's accept queue */
};

struct verdict {
    enum cause cause;
    enum outcome outcome; /* if this close drops the last reference */
};

struct verdict verdict_of(const struct facts *facts);

/* True if an orderly close sends FIN; in other states ours is sent already, or there is no connection. */
bool verdict_sends_fin(uint8_t state);

/* True if the peer can still send, so that data may yet arrive and be answered with a reset. */
bool verdict_peer_may_send(uint8_t state);

#endif
