#include "tcp/verdict.h"

/* Where disconnecting resets: tcp_need_reset() in net/ipv4/tcp.c. */
static bool disconnect_resets(uint8_t state)
{
    switch (state) {
    case STATE_ESTABLISHED:
    case STATE_CLOSE_WAIT:
    case STATE_FIN_WAIT1:
    case STATE_FIN_WAIT2:
    case STATE_SYN_RECV:
        return true;
    default:
        return false;
    }
}

/* new_state[] in net/ipv4/tcp.c. */
bool verdict_sends_fin(uint8_t state)
{
    return state == STATE_ESTABLISHED || state == STATE_SYN_RECV || state == STATE_CLOSE_WAIT;
}

/* The order of the questions is that of __tcp_close(): there, too, the first that fits decides. */
struct verdict verdict_of(const struct facts *f)
{
    if (f->mptcp)
        return (struct verdict){f->unread ? CAUSE_UNREAD_DATA : CAUSE_NONE, OUTCOME_UNKNOWN};
    if (f->state == STATE_LISTEN) {
        if (f->pending)
            return (struct verdict){CAUSE_PENDING_ACCEPTS, OUTCOME_RST};
        return (struct verdict){CAUSE_NONE, OUTCOME_NONE};
    }
    if (f->state == STATE_CLOSE)
        return (struct verdict){CAUSE_NONE, OUTCOME_NONE};
    if (f->unread)
        return (struct verdict){CAUSE_UNREAD_DATA, OUTCOME_RST};
    if (f->zero_linger) {
        bool closing_with_output =
            (f->state == STATE_LAST_ACK || f->state == STATE_CLOSING) && f->unsent;

        if (disconnect_resets(f->state) || closing_with_output)
            return (struct verdict){CAUSE_ZERO_LINGER, OUTCOME_RST};
        return (struct verdict){CAUSE_NONE, OUTCOME_NONE};
    }
    return (struct verdict){CAUSE_NONE, verdict_sends_fin(f->state) ? OUTCOME_FIN : OUTCOME_NONE};
}

bool verdict_peer_may_send(uint8_t state)
{
    return state == STATE_ESTABLISHED || state == STATE_SYN_RECV || state == STATE_FIN_WAIT1 ||
           state == STATE_FIN_WAIT2;
}
